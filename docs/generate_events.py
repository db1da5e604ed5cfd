"""Write the table of events in docs/wire.md, which says the same as circus_core/events.py.

python docs/generate_events.py
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

from circus_core import events

PAGE = Path(__file__).with_name("wire.md")
BEGIN, END = "<!-- made by generate_events.py: begin -->", "<!-- made by generate_events.py: end -->"


def kinds() -> list[type[events.Event]]:
    """Return all events, in the order in which they are declared."""
    found = vars(events).values()
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, events.Event)][1:]


def render() -> str:
    """Return the table."""
    rows = [_row(kind) for kind in kinds()]
    return "\n".join(["| topic | in the object, besides `time` | meaning |", "|---|---|---|", *rows])


def _row(kind: type[events.Event]) -> str:
    values: dict[str, Any] = {field.name: 0 for field in fields(kind)}
    event = kind(**{**values, "watcher": "NAME"})
    topic = event.topic.replace(events.event_name("NAME"), "NAME")
    keys = ", ".join(f"`{key}`" for key in event.payload() if key != "time")
    return f"| `{topic}` | {keys} | {inspect.getdoc(kind)} |"


def page() -> str:
    """Return the page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
