"""Names of users."""

from __future__ import annotations

import pwd
from contextlib import suppress

__all__ = ["Users"]


class Users:
    """Each number is looked up once: a directory service may be behind it, which takes its time."""

    def __init__(self) -> None:
        self._names: dict[int | None, str] = {None: "N/A"}

    def name_of(self, uid: int | None) -> str:
        """Return the name of a user, its number if it has none, `N/A` for None."""
        if uid is not None and uid not in self._names:
            self._names[uid] = str(uid)
            with suppress(KeyError):
                self._names[uid] = pwd.getpwuid(uid).pw_name
        return self._names[uid]
