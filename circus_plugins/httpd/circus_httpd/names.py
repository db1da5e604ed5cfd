"""Names of watchers by the form that they have in topics of events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["Names", "event_name"]

_MOST_GONE: Final = 1000


def event_name(name: str) -> str:
    """Return the form that the name of a watcher has in topics of events: docs/wire.md."""
    return name.lower().replace(" ", "_")


class Names:
    """Those that were ever told: events of a watcher go on for a while after it was removed."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def learn(self, names: Iterable[str]) -> None:
        """Take the names of all watchers that there are now; of the others the last thousand are kept."""
        present = {event_name(name): name for name in names}
        for form in present:
            self._names.pop(form, None)
        self._names |= present
        while len(self._names) > len(present) + _MOST_GONE:
            del self._names[next(iter(self._names))]

    def learn_unknown(self, form: str) -> None:
        """Note that there is no such watcher any more: it is called by its form."""
        self._names.setdefault(form, form)

    def __contains__(self, form: str) -> bool:
        return form in self._names

    def __getitem__(self, form: str) -> str:
        """Return the name; the form itself if nobody knows."""
        return self._names.get(form, form)
