"""The arbiter of circus-core behind an arbiter of 0.19, and the hooks that lead back to that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import circus_core
from circus._beside import refuse_original
from circus_core import ArbiterView, Config, EmbeddedArbiter, WatcherView, hookimpl

if TYPE_CHECKING:
    from circus.arbiter import Arbiter

__all__ = ["Core", "Faces"]


class Core(EmbeddedArbiter):
    """Does the work for `face`, the arbiter that a program made."""

    def __init__(self, config: Config, *, face: Arbiter, **options: Any) -> None:
        self.face = face
        super().__init__(config, **options)

    def reload(
        self, graceful: bool = True, sequential: bool = False, watchers: Iterable[WatcherView] | None = None
    ) -> asyncio.Future[list[Any]]:
        """Reload as ever; first the program's prereload_fn is called, on a thread, if all are reloaded."""
        if watchers is not None or self.face.prereload_fn is None:
            return super().reload(graceful, sequential, watchers)
        return asyncio.ensure_future(self._reload_prepared(graceful, sequential))

    async def _reload_prepared(self, graceful: bool, sequential: bool) -> list[Any]:
        if self.face.prereload_fn is not None:
            await asyncio.to_thread(self.face.prereload_fn, self.face)
        return await super().reload(graceful, sequential)


class Faces:
    """Hook plugin: functions of watchers' sections see arbiters and watchers as 0.19 had them.

    Also those of a daemon that was started by circusd: its faces are made when they are first needed.
    """

    hook_timeout: float | None = None  # prereload_fn is the program's own; 0.19 waited for it, too

    def __init__(self) -> None:
        """Raises ImportError: the folder `circus` is not ours any more."""
        refuse_original()
        self._arbiter: ArbiterView | None = None
        self._shown: Arbiter | None = None  # what shows an arbiter that has no face of its own

    @hookimpl
    def arbiter_starting(self, arbiter: ArbiterView) -> None:
        self._arbiter = arbiter

    @hookimpl
    def arbiter_started(self, arbiter: ArbiterView) -> None:
        if isinstance(arbiter, Core):
            arbiter.face.all_started()

    @hookimpl
    def arbiter_stopping(self, arbiter: ArbiterView) -> None:
        if isinstance(arbiter, Core):
            arbiter.face.note_end()

    @hookimpl
    def function_views(self, watcher: WatcherView, arbiter: ArbiterView) -> tuple[object, object] | None:
        if not isinstance(watcher, circus_core.Watcher) or not isinstance(arbiter, circus_core.Arbiter):
            return None
        face = self._face(arbiter)
        return face.face_of(watcher), face

    @hookimpl
    async def before_reload(self, watcher: WatcherView) -> None:
        arbiter = self._arbiter
        if isinstance(arbiter, Core) and isinstance(watcher, circus_core.Watcher):
            face = arbiter.face.face_of(watcher)
            if face.prereload_fn is not None:
                await asyncio.to_thread(face.prereload_fn, face)

    def _face(self, arbiter: circus_core.Arbiter) -> Arbiter:
        if isinstance(arbiter, Core):
            return arbiter.face
        if self._shown is None:
            from circus.arbiter import Arbiter

            self._shown = Arbiter.of_daemon(arbiter)
        return self._shown
