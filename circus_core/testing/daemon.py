"""StandInDaemon: both endpoints of a daemon without the daemon, to test plugins and clients against."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

__all__ = ["Reply", "StandInDaemon", "wait_until"]

Reply = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""What a command is answered with, or what makes it from the properties; None: no answer."""


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    """Wait for what other threads or processes bring about; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(0.01)


class StandInDaemon:
    """Records requests, answers them as told, publishes what it is given. A context manager.

    Attributes:
        endpoint, pubsub_endpoint: where to connect; ipc, with the socket files in the folder given.
        replies: what each command is answered with; one that is missing gets a plain "ok".
        requests: every request, as it came, casts too.
    """

    def __init__(self, folder: Path) -> None:
        self.endpoint = f"ipc://{folder}/control"
        self.pubsub_endpoint = f"ipc://{folder}/events"
        self.replies: dict[str, Reply] = {}
        self.requests: list[dict[str, Any]] = []
        self._topics: list[bytes] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control = self._open(zmq.ROUTER, self.endpoint)
        self._events = self._open(zmq.XPUB, self.pubsub_endpoint)
        self._outbox = self._open(zmq.PULL, "inproc://outbox")
        self._sender = self._context.socket(zmq.PUSH)
        self._sender.connect("inproc://outbox")
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._sender.send(b"")
        self._thread.join()
        self._context.destroy(linger=0)

    def publish(self, watcher: str, action: str, /, **payload: Any) -> None:
        """Publish an event; the `time` is now unless given. Call it from one thread only."""
        message = {"time": time.time(), **payload}
        self._sender.send_multipart([f"watcher.{watcher}.{action}".encode(), json.dumps(message).encode()])

    def wait_for_subscriber(self, timeout: float = 20.0) -> None:
        """Wait until someone has subscribed to events: from here on nothing is missed."""
        wait_until(lambda: bool(self._topics), "a subscriber", timeout)

    def wait_for(self, command: str, count: int = 1, timeout: float = 20.0) -> list[dict[str, Any]]:
        """Wait for `count` requests of one command, and return all of this command so far."""
        wait_until(lambda: len(self.asked(command)) >= count, f"{count} x {command}", timeout)
        return self.asked(command)

    def asked(self, command: str) -> list[dict[str, Any]]:
        """Return the requests of one command so far."""
        return [request for request in list(self.requests) if request.get("command") == command]

    def _open(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(endpoint)
        return socket

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in (self._control, self._events, self._outbox):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._events in ready:
                self._topics.append(self._events.recv())
            if self._control in ready:
                self._answer(*self._control.recv_multipart())
            if self._outbox in ready and not self._forward(self._outbox.recv_multipart()):
                return

    def _forward(self, frames: list[bytes]) -> bool:
        if frames == [b""]:
            return False
        self._events.send_multipart(frames)
        return True

    def _answer(self, peer: bytes, body: bytes) -> None:
        request = json.loads(body)
        self.requests.append(request)
        reply = self.replies.get(request["command"], {})
        answer = reply(request["properties"]) if callable(reply) else reply
        if answer is not None and request.get("msg_type") != "cast":
            envelope = {"status": "ok", "time": time.time(), **answer, "id": request.get("id")}
            self._control.send_multipart([peer, json.dumps(envelope).encode()])
