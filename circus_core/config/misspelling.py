"""Finds the option that somebody probably meant."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Mapping

from circus_core.config.options import FAMILIES, FOREIGN

__all__ = ["Speller", "distance"]


class Speller:
    """Compares keys with the names a section knows; remembers the answers, for keys come back.

    Short names are compared strictly: an own key such as `port` or `team` is not a misspelt `args`.
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        foreign: Mapping[str, str] | None = None,
        families: Iterable[str] = (),
        is_strict: bool = True,
    ) -> None:
        self._names = [name for name in names if not name.endswith(("NAME", "KEY"))]
        self._foreign = foreign or {}
        self._families = tuple(families)
        self._is_strict = is_strict
        self._answers: dict[str, str | None] = {}

    @classmethod
    def of_watchers(cls, names: Iterable[str]) -> Speller:
        return cls(names, foreign=FOREIGN, families=FAMILIES)

    def nearest(self, key: str) -> str | None:
        """Return the known name that the key resembles, None if it looks like a name of its own."""
        if key not in self._answers:
            self._answers[key] = self._find(key)
        return self._answers[key]

    def _find(self, key: str) -> str | None:
        if key in self._foreign:
            return self._foreign[key]
        return self._family(key) or self._closest(key, self._names)

    def _family(self, key: str) -> str | None:
        """Find `stdout_steam.class`, `hook.before_start`, `rlimits_nofile`, `RLIMIT_NOFILE`."""
        for family in self._families:
            separator = family[-1]
            for written in {separator, "."}:
                head, found, tail = key.partition(written)
                if found and tail and self._closest(head, [family[:-1]]) and _is_member(family, tail):
                    return family + tail.lower()
        return None

    def _closest(self, key: str, names: Iterable[str]) -> str | None:
        best: tuple[int, str] | None = None
        for name in names:
            allowed = self._allowed(name)
            if abs(len(name) - len(key)) > max(allowed, 2):
                continue
            found = 0 if _bare(name) == _bare(key) else self._distance(key, name)
            if found <= allowed and (best is None or found < best[0]):
                best = (found, name)
        return None if best is None else best[1]

    def _allowed(self, name: str) -> int:
        if len(name) >= 5 or not self._is_strict:
            return max(1, len(name) // 4)
        return 1

    def _distance(self, key: str, name: str) -> int:
        """Distance; for short names only swapped letters and a lost plural count as near."""
        if len(name) >= 5 or not self._is_strict:
            return distance(key, name)
        is_near = sorted(key) == sorted(name) or key + "s" == name
        return distance(key, name) if is_near else len(name)


def _is_member(family: str, tail: str) -> bool:
    """`limit_requests` may well be an own key, `limit_nofile` is none."""
    return family != "rlimit_" or hasattr(resource, f"RLIMIT_{tail.upper()}")


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def distance(one: str, two: str) -> int:
    """Insertions, deletions, changes and swaps of neighbours that make `one` into `two`."""
    before: list[int] = []
    last = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(two, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]
