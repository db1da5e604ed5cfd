"""The daemon as circusctl talks to it: one connection, made when it is first needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from circus_core.cli.command_line import Settings
from circus_core.errors import CallError

if TYPE_CHECKING:
    from circus_core.client import CircusClient

__all__ = ["ControlConversation"]


class ControlConversation:
    """What `Conversation` promises to commands. To be closed; imports what it needs when it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: CircusClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        from circus_core.client import DEFAULT_ENDPOINT

        return self._settings.endpoint or DEFAULT_ENDPOINT

    @property
    def wants_colours(self) -> bool:
        return sys.stdout.isatty()

    def ask(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float | None = None
    ) -> dict[str, Any]:
        from circus_core.client import refuse_errors

        client = self._connected()
        client.timeout = self._settings.timeout if timeout is None else timeout
        return refuse_errors(client.call({"command": command, "properties": dict(properties)}))

    def events(self, topics: Sequence[str] = (), /) -> Iterator[tuple[bytes, bytes]]:
        from circus_core.client import subscribe

        return subscribe(self._events_endpoint(), tuple(topics))

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> CircusClient:
        if self._client is None:
            from circus_core.client import CircusClient

            self._client = CircusClient(self.endpoint, timeout=self._settings.timeout)
        return self._client

    def _events_endpoint(self) -> str:
        """Return --endpoint, which means the events here, else what the daemon says, else the default."""
        from circus_core.client import DEFAULT_PUBSUB_ENDPOINT

        settings = self._settings
        if settings.is_endpoint_typed and settings.endpoint is not None:
            return settings.endpoint
        try:
            return str(self.ask("globaloptions", {})["options"]["pubsub_endpoint"])
        except (CallError, KeyError, TypeError):
            return DEFAULT_PUBSUB_ENDPOINT
