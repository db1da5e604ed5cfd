"""`incr`: have more processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_core.commands.resizing import Resize

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from circus_core.commands.target import ControlledWatcher

__all__ = ["Incr"]


class Incr(Resize):
    """Have more processes in a watcher

    With --waiting the new number is printed. A stopped watcher has the new number when it is started.
    A singleton stays as it is.
    """

    name = "incr"

    def change(self, watcher: ControlledWatcher, nb: int) -> Awaitable[int]:
        return watcher.incr(nb)
