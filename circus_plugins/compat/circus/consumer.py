"""CircusConsumer: the events of a daemon, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from circus.exc import CallError
from circus.util import DEFAULT_ENDPOINT_SUB, to_str
from circus_core import Subscription, open_tunnel

__all__ = ["CircusConsumer"]


class CircusConsumer:
    """Yields topic and message of each event, as bytes, without end; a context manager.

    Attributes:
        topics: the beginnings of topics that are wanted.
        endpoint: the event endpoint of the daemon.
        timeout: kept; waiting for events has no end.
    """

    def __init__(
        self,
        topics: Iterable[str | bytes] | str | bytes,
        context: Any = None,
        endpoint: str = DEFAULT_ENDPOINT_SUB,
        ssh_server: str | None = None,
        timeout: float = 1.0,
    ) -> None:
        """Connect, without waiting for the daemon.

        Args:
            topics: beginnings of topics, `[""]` for all; a text is one of them.
            context: a ZeroMQ context to use, which stays open.
            ssh_server: `[user@]host[:port]` from which the endpoint can be reached; waits for the login.

        Raises:
            CallError: this is not an endpoint, or there is no login.
        """
        self.topics = [topics] if isinstance(topics, (str, bytes)) else list(topics)
        self.endpoint = endpoint
        self.context = context
        self.timeout = timeout
        self._tunnel = None if ssh_server is None else open_tunnel(ssh_server)
        wanted = [to_str(topic) for topic in self.topics]
        self._events = Subscription(endpoint, wanted, context=context, tunnel=self._tunnel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Any]:
        return self.iter_messages()

    def iter_messages(self) -> Iterator[Any]:
        """Yield topic and message; leaving the loop closes the connection, `stop` ends it."""
        with self:
            yield from self._received()

    def stop(self) -> None:
        """Close the connection, from any thread; a given context stays open."""
        self._events.close()
        if self._tunnel is not None:
            self._tunnel.close()

    def _received(self) -> Iterator[tuple[bytes, bytes]]:
        with suppress(CallError):  # closed
            while True:
                topic, message = self._events.receive()[:2]
                yield topic, message
