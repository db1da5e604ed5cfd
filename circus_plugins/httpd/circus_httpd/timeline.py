"""The last events of a daemon."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, Final

from circus_core import ReceivedEvent

__all__ = ["LONGEST_TIMELINE", "Timeline"]

LONGEST_TIMELINE: Final = 5000
_LONGEST_TEXT: Final = 4096


class Timeline:
    """At most 5000 events, each numbered from 1; what is older is forgotten."""

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=LONGEST_TIMELINE)
        self.last = 0

    def add(self, event: ReceivedEvent, watcher: str) -> None:
        """Add what was published; `watcher` is the name of the watcher, as far as it is known."""
        data = {key: value for key, value in event.payload.items() if key not in ("time", "process_pid")}
        self._add(event.topic, watcher, event.action, time=event.time, pid=event.pid, data=data)

    def note(self, action: str, *, time: float, reason: str) -> None:
        """Add what circushttpd itself noticed, such as a daemon that was away: events may be missing here."""
        self._add(f"circushttpd.{action}", "", action, time=time, pid=None, data={"reason": reason})

    def after(self, known: int, *, most: int) -> tuple[list[dict[str, Any]], int]:
        """Return the newest events behind the one of this number, and how many of them are left out.

        A number that was never given, from before a restart of circushttpd, counts as 0.
        """
        if known > self.last:
            known = 0
        wanted = min(self.last - known, most, len(self._events))
        found = list(islice(self._events, len(self._events) - wanted, None))
        return found, self.last - known - wanted

    def find(
        self, known: int, *, most: int, watcher: str | None = None, actions: Collection[str] = ()
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the newest of those that fit behind `known`, and how many are not remembered any more.

        Case does not count in the name of the watcher.
        """
        wanted = None if watcher is None else watcher.lower()
        remembered, missed = self.after(known, most=LONGEST_TIMELINE)
        found = [
            event
            for event in remembered
            if wanted in (None, event["watcher"].lower()) and (not actions or event["action"] in actions)
        ]
        return found[-most:], missed

    def _add(
        self, topic: str, watcher: str, action: str, *, time: float, pid: int | None, data: Mapping[str, Any]
    ) -> None:
        self.last += 1
        self._events.append(
            {
                "id": self.last,
                "time": time,
                "watcher": watcher,
                "action": action,
                "topic": topic,
                "pid": pid,
                "data": {key: _shortened(value) for key, value in data.items()},
            }
        )


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}... ({len(value)} characters)"
    return value
