"""`circus.sighandler`: what signals of the operating system do to an arbiter."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from circus_core import SignalWatcher

if TYPE_CHECKING:
    from circus.controller import Controller

__all__ = ["SysHandler"]

log = logging.getLogger("circus")


class SysHandler:
    """While it is registered: TERM, INT and QUIT end the arbiter, HUP reloads it, WINCH does nothing.

    An arbiter that runs a loop of its own in the main thread does this by itself. One on a loop that was
    given leaves signals to its host, which may make one of these: in the main thread, on the loop.
    """

    SIGNALS: ClassVar = (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT, signal.SIGTERM, signal.SIGWINCH)

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self._watcher: SignalWatcher | None = None
        self.register()

    def register(self) -> None:
        """Begin; harmless when it has begun."""
        if self._watcher is None:
            loop: Any = self.controller.arbiter.loop
            self._watcher = SignalWatcher(
                loop.asyncio_loop, {each: self._reaction(each) for each in self.SIGNALS}
            )

    def stop(self) -> None:
        """Put back the handlers of before."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _reaction(self, signum: int) -> Callable[[], None]:
        return lambda: self.signal(signum)

    def signal(self, sig: int, frame: Any = None) -> None:
        """Do what a signal asks for."""
        name = signal.Signals(sig).name.removeprefix("SIG")
        log.info("Got signal SIG_%s", name)
        getattr(self, f"handle_{name.lower()}")()

    def handle_int(self) -> None:
        self.controller.arbiter.stop()

    def handle_term(self) -> None:
        self.controller.arbiter.stop()

    def handle_quit(self) -> None:
        self.controller.arbiter.stop()

    def handle_hup(self) -> None:
        self.controller.arbiter.reload()

    def handle_winch(self) -> None:
        """Nothing."""
