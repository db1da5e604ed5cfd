"""The control channel from the other end: ask the daemon and wait for its answer.

Imports neither asyncio nor tornado, so that a program that asks one thing starts quickly.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any, Final, Self

import zmq

from circus_core import wire
from circus_core.errors import CallError, CallTimeoutError, RefusedError

__all__ = ["DEFAULT_ENDPOINT", "DEFAULT_PUBSUB_ENDPOINT", "CircusClient", "refuse_errors", "subscribe"]

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5555"
DEFAULT_PUBSUB_ENDPOINT: Final = "tcp://127.0.0.1:5556"


class CircusClient:
    """Talks to one daemon. Use it from one thread, or give each thread its own; close it at the end.

    A daemon that can't be reached or does not let us in looks the same: no answer comes.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, *, timeout: float = 5.0) -> None:
        """Connect, without waiting for the daemon.

        Args:
            endpoint: the control endpoint of the daemon.
            timeout: seconds until a call gives up.

        Raises:
            CallError: this is not an endpoint.
        """
        self.endpoint = endpoint
        self.timeout = timeout
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IDENTITY, uuid.uuid4().hex.encode())
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise CallError(f"endpoint must be tcp://HOST:PORT or ipc://PATH, got '{endpoint}'") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; what was not sent yet is dropped."""
        self._context.destroy(linger=0)

    def call(self, message: MutableMapping[str, Any]) -> dict[str, Any]:
        """Send a message and return its reply, also one that reports an error.

        Args:
            message: `command` and `properties`; gets an `id`.

        Raises:
            CallTimeoutError: no reply within the timeout; the command may still run to its end.
            CallError: the message or the reply is not usable, or the connection is broken.
        """
        deadline = time.monotonic() + self.timeout
        message["id"] = uuid.uuid4().hex
        self._send(wire.encode_message(message))
        while True:
            reply = wire.decode_reply(self._receive(deadline))
            if reply.get("id") in (message["id"], None):
                return reply

    def send(self, command: str, /, **properties: Any) -> dict[str, Any]:
        """Have a command carried out and return its reply.

        Raises:
            RefusedError: the daemon answered with an error.
            CallError: as `call` does.
        """
        return refuse_errors(self.call({"command": command, "properties": properties}))

    def _send(self, body: bytes) -> None:
        try:
            self._socket.send(body, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            raise CallError(f"can't send to {self.endpoint}: {error}") from error

    def _receive(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        try:
            if left > 0 and self._socket.poll(int(left * 1000) + 1):
                return self._socket.recv_multipart()[-1]
        except zmq.ZMQError as error:
            raise CallError(f"can't receive from {self.endpoint}: {error}") from error
        raise CallTimeoutError("Timed out.")


def refuse_errors(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply as it is; RefusedError if it reports one."""
    if reply.get("status") == "error":
        reason = str(reply.get("reason") or "unknown error")
        raise RefusedError(reason, errno=int(reply.get("errno") or 0), reply=reply)
    return reply


def subscribe(
    endpoint: str = DEFAULT_PUBSUB_ENDPOINT, topics: tuple[str, ...] = ()
) -> Iterator[tuple[bytes, bytes]]:
    """Yield topic and payload of each event whose topic begins with one of `topics`; all if there are none.

    Never ends by itself; closing the iterator closes the connection. Raises CallError: no such endpoint.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = context.socket(zmq.SUB)
        for topic in topics or ("",):
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise CallError(f"endpoint must be tcp://HOST:PORT or ipc://PATH, got '{endpoint}'") from error
        while True:
            topic_frame, payload = socket.recv_multipart()[:2]
            yield topic_frame, payload
    finally:
        context.destroy(linger=0)
