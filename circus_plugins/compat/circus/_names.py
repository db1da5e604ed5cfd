"""Objects by their dotted names, and values by their names in texts."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["ImportStringError", "replace_gnu_args", "resolve_name"]


class ImportStringError(ImportError):
    """A dotted name can't be imported.

    Attributes:
        import_name: the name.
        exception: why not.
    """

    def __init__(self, import_name: str, exception: BaseException) -> None:
        super().__init__(f"can't import {import_name!r}: {exception}")
        self.import_name = import_name
        self.exception = exception


def resolve_name(import_name: str, silent: bool = False, reload: bool = False) -> Any:
    """Import what a dotted name (`a.b.c` or `a.b:c`) stands for.

    Args:
        silent: return None instead of raising.
        reload: import its module once more, for what has changed on disk.

    Raises:
        ImportStringError: there is no such thing, or importing it failed.
    """
    try:
        found = pkgutil.resolve_name(import_name)
        module = sys.modules.get(getattr(found, "__module__", None) or "")
        if not reload or module is None:
            return found
        importlib.reload(module)
        return pkgutil.resolve_name(import_name)
    except (ImportError, AttributeError, ValueError) as error:
        if silent:
            return None
        raise ImportStringError(import_name, error) from error


def replace_gnu_args(data: str, prefix: str | None = "circus", **options: Any) -> str:
    """Replace `$(circus.NAME)` and `((circus.NAME))`, in any case; unknown names stay.

    Args:
        prefix: instead of `circus`; None for `$(NAME)`.
        options: values by name; a mapping gives its values as `NAME.KEY`.
    """
    begin = "" if prefix is None else re.escape(prefix) + r"\."
    values = {name.lower(): value for name, value in _flat(options)}

    def value(found: re.Match[str]) -> str:
        return str(values.get((found[1] or found[2]).lower(), found[0]))

    return re.sub(rf"\$\({begin}([\w.\-]+)\)|\(\({begin}([\w.\-]+)\)\)", value, data, flags=re.IGNORECASE)


def _flat(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if not isinstance(value, Mapping):
            yield name, value
            continue
        for key, inner in value.items():
            yield f"{name}.{key}", inner
