"""BaseObserver: a plugin that looks at something every now and then."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable

from circus_core import CallError, ReceivedEvent
from circus_statsd.reporter import StatsdPlugin
from circus_statsd.settings import Settings

__all__ = ["BaseObserver"]

_logger = logging.getLogger("circus")


class BaseObserver(StatsdPlugin):
    """Calls `look_after` every `loop_rate` seconds, first after one period; ignores events.

    A look that takes longer than a period is not begun twice. An exception of it is logged, the first of its
    kind, the tenth and so on, and the next look comes all the same.
    """

    name = "observer"

    def handle_init(self) -> None:
        self._failures: Counter[str] = Counter()
        self._arm()

    def handle_event(self, event: ReceivedEvent) -> None:
        pass

    def look_after(self) -> Awaitable[None] | None:
        """Do the work; may be `async def`, and has to be if it takes long."""
        raise NotImplementedError

    @property
    def loop_rate(self) -> float:
        """Seconds between two looks."""
        return self.settings.loop_rate or 60.0

    def _defaults(self) -> Settings:
        return Settings(application_name=self.default_app_name, loop_rate=60.0)

    def _arm(self) -> None:
        self.loop.call_later(self.loop_rate, self._look)

    async def _look(self) -> None:
        if not self.running:
            return
        try:
            result = self.look_after()
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001  it comes from anybody
            self._tell(error)
        finally:
            if self.running:
                self._arm()

    def _tell(self, error: Exception) -> None:
        kind = f"{type(error).__name__}: {error}"
        self._failures[kind] += 1
        if str(self._failures[kind]).strip("0") == "1":
            trace = None if isinstance(error, CallError) else error
            _logger.error("%s could not look: %s", self.config.get("name") or self.name, kind, exc_info=trace)
