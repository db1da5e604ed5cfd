"""Deltas: applied to the old document they give the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from circus_httpd.merge_patch import difference, without_nulls
from circus_httpd.topics import Document

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=2), VALUES, max_size=4).map(without_nulls)


def apply(patch: Any, target: Any) -> Any:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(value, result.get(name))
    return result


def exact(value: Any) -> str:
    """A text that tells true from 1, and does not mind the order of keys."""
    if isinstance(value, Mapping):
        return "{{{}}}".format(",".join(sorted(f"{key!r}:{exact(item)}" for key, item in value.items())))
    if isinstance(value, list):
        return f"[{','.join(map(exact, value))}]"
    return repr(value) if isinstance(value, bool | str) or value is None else repr(float(value) + 0.0)


@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_leads_from_one_document_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert exact(apply(difference(old, new), old)) == exact(new)


@given(DOCUMENTS)
def test_nothing_is_the_patch_of_what_is_the_same(document: dict[str, Any]) -> None:
    assert difference(document, without_nulls(document)) == {}


@given(st.lists(st.none() | DOCUMENTS, min_size=1, max_size=8), st.data())
def test_who_takes_snapshots_and_deltas_in_any_rhythm_has_the_newest_document(
    states: list[dict[str, Any] | None], data: st.DataObject
) -> None:
    document, seen, version = Document(), None, -1
    for state in states:
        document.update(state)
        if not data.draw(st.booleans()):
            continue  # this page was busy
        delta = document.delta(version)
        if document.version == version:
            pass
        elif not document.is_there:
            seen = None
        elif delta is not None:
            seen = apply(_read(delta), seen)
        else:
            seen = _read(document.snapshot())
        version = document.version
        assert exact(seen) == exact(state)


def _read(text: str) -> Any:
    import json

    return json.loads(text)
