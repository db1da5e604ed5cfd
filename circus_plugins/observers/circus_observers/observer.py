"""The base of plugins that look at something every now and then and send what they see to statsd."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Generic, TypeVar

from tornado.ioloop import PeriodicCallback

from circus_core import CallError, CircusPlugin, ReceivedEvent
from circus_observers.options import ObserverOptions, read_options
from circus_observers.statsd import Statsd

__all__ = ["Observer"]

_logger = logging.getLogger("circus")

OptionsT = TypeVar("OptionsT", bound=ObserverOptions)


class Observer(CircusPlugin, Generic[OptionsT]):
    """Calls `look_after` every `loop_rate` seconds, first after one period; never twice at a time."""

    options_class: ClassVar[type[ObserverOptions]] = ObserverOptions

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.options: OptionsT = read_options(self.options_class, config)  # type: ignore[assignment]
        options = self.options
        self.statsd = Statsd(options.host, options.port, options.application_name, options.sample_rate)
        self._rounds = PeriodicCallback(self._round, options.loop_rate * 1000)

    async def look_after(self) -> None:
        """Look once. CallError is logged, and the next look comes all the same."""
        raise NotImplementedError

    def handle_init(self) -> None:
        self._rounds.start()

    def handle_event(self, event: ReceivedEvent) -> None:
        pass

    def handle_stop(self) -> None:
        self._rounds.stop()
        self.statsd.close()

    async def restart(self, watcher: str) -> bool:
        """Restart a watcher that is active; one that was stopped stays so. Tell whether it was asked for.

        Raises:
            CallError: the daemon does not answer.
        """
        status = (await self.ask("status", name=watcher)).get("status")
        if status != "active":
            _logger.warning("%s: %s is not restarted: it is %s", self.name, watcher, _in_words(status))
            return False
        reply = await self.ask("restart", name=watcher, match="simple")
        if reply["status"] == "error":
            _logger.error("%s: restart of %s: %s", self.name, watcher, reply.get("reason"))
            return False
        return True

    async def _round(self) -> None:
        await self.statsd.locate()
        try:
            await self.look_after()
        except CallError as error:
            _logger.error("%s: %s", self.name, error)


def _in_words(status: object) -> object:
    return "not known to circusd" if status == "error" else status
