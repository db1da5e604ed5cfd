"""docs/wire.md lists the events that there are."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from circus_core import events

DOCS = Path(__file__).parents[2] / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_events", DOCS / "generate_events.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_events_is_current() -> None:
    text = (DOCS / "wire.md").read_text(encoding="utf-8")
    assert text == _generator().page(), "run `python docs/generate_events.py`"


def test_every_event_is_in_the_table_with_a_meaning_of_its_own() -> None:
    kinds = _generator().kinds()
    assert {kind.__name__ for kind in kinds} >= {"Added", "EventsDropped", "OutputHeld"}
    assert len({kind.__doc__ for kind in kinds}) == len(kinds) == len({kind.action for kind in kinds})
    assert events.Event not in kinds
