"""The daemons that are watched, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from circus_httpd.daemon import Daemon, daemon_id
from circus_httpd.problems import Problem

__all__ = ["Daemons"]

_FIRST: Final = "main"
_MOST: Final = 32
_PATIENCE: Final = 3.0


class Daemons:
    """Each runs until it is forgotten or all of this is closed. Belongs to the loop."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """`on_change` is called when something may look different."""
        self._on_change = on_change
        self._daemons: dict[str, Daemon] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Daemon]:
        return iter(list(self._daemons.values()))

    def add(
        self, endpoint: str, *, ssh: str | None = None, ssh_keyfile: str | None = None, is_first: bool = False
    ) -> Daemon:
        """Watch a daemon from now on, whether it answers or not. Raises Problem 409: there are too many."""
        known = self._daemons.get(daemon_id(endpoint, ssh))
        if known is not None:
            return known
        if len(self._daemons) >= _MOST:
            raise Problem(409, f"{_MOST} daemons are connected, that is enough; forget one")
        daemon = Daemon(
            endpoint, on_change=self._on_change, ssh=ssh, ssh_keyfile=ssh_keyfile, is_first=is_first
        )
        self._daemons[daemon.id] = daemon
        self._tasks[daemon.id] = asyncio.ensure_future(daemon.run())
        self._on_change()
        return daemon

    async def connect(self, endpoint: str, ssh: str | None) -> tuple[Daemon, bool]:
        """Watch a daemon if it answers; returns it, and whether it is new. Raises Problem."""
        known = self._daemons.get(daemon_id(endpoint, ssh))
        if known is not None:
            known.try_now()
            return known, False
        daemon = self.add(endpoint, ssh=ssh)
        await daemon.settle(_PATIENCE if ssh is None else 10 * _PATIENCE)
        if daemon.state != "up":
            reason = daemon.problem or f"there is no answer from {endpoint}"
            await self.forget(daemon.id)
            raise Problem(503, reason)
        return daemon, True

    def get(self, name: str) -> Daemon:
        """Return the daemon of an id, or the first one for `main`. Raises Problem 404."""
        if name == _FIRST and self._daemons:
            return next(iter(self._daemons.values()))
        if name not in self._daemons:
            raise Problem(404, f"no daemon {name[:50]!r} is connected")
        return self._daemons[name]

    async def forget(self, name: str) -> None:
        """Watch it no more; it goes on running. Raises Problem 404."""
        daemon = self.get(name)
        del self._daemons[daemon.id]
        task = self._tasks.pop(daemon.id)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._on_change()

    async def close(self) -> None:
        for daemon in self:
            await self.forget(daemon.id)

    def document(self) -> dict[str, Any]:
        """Return what the topic `daemons` shows."""
        return {
            "daemons": {daemon.id: daemon.document() for daemon in self},
            "order": [daemon.id for daemon in self],
        }

    def added(self) -> list[dict[str, str | None]]:
        """Return those that somebody connected, to be added again after a restart."""
        return [{"endpoint": each.endpoint, "ssh": each.ssh} for each in self if not each.is_first]
