"""`circus.controller`: what answers requests. circus-core has it inside; here is what programs look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circus.arbiter import Arbiter

__all__ = ["Controller"]


class Controller:
    """The control endpoint of an arbiter, which opens and closes it."""

    def __init__(
        self,
        endpoint: str,
        multicast_endpoint: str | None,
        context: Any,
        loop: Any,
        arbiter: Arbiter,
        check_delay: float = 1.0,
        endpoint_owner: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.multicast_endpoint = multicast_endpoint
        self.context = context
        self._loop = loop
        self.arbiter = arbiter
        self.check_delay = check_delay
        self.endpoint_owner = endpoint_owner

    @property
    def loop(self) -> Any:
        """The loop of the arbiter; may be set, as programs do that run it in a thread of theirs."""
        return self.arbiter.loop if self._loop is None else self._loop

    @loop.setter
    def loop(self, loop: Any) -> None:
        self._loop = loop

    @property
    def endpoint_owner_mode(self) -> bool:
        return self.endpoint_owner is not None and self.endpoint.startswith("ipc://")

    def initialize(self) -> None:
        """Do nothing: the arbiter opens the endpoint when it starts."""

    def start(self) -> None:
        """Do nothing, as initialize()."""

    def stop(self) -> None:
        """Do nothing: the arbiter closes the endpoint when it ends."""
