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


def wait_until(condition: Callable[[], bool], what: str | Callable[[], str], timeout: float = 20.0) -> None:
    """Wait for what other threads or processes bring about; AssertionError after `timeout` seconds.

    `what` is waited for; a function tells it when the time is up.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain: {what if isinstance(what, str) else what()}")
        time.sleep(0.01)


class StandInDaemon:
    """Records requests, answers them as told, publishes what it is given. A context manager.

    Attributes:
        endpoint, pubsub_endpoint: where to connect.
        replies: what each command is answered with; one that is missing gets a plain "ok".
        requests: every request, as it came, casts too.
    """

    def __init__(self, folder: Path, *, tcp: bool = False) -> None:
        """Listen at once; answer once entered. `tcp`: at free ports of this machine, and no files."""
        self.replies: dict[str, Reply] = {}
        self.requests: list[dict[str, Any]] = []
        self._topics: list[bytes] = []
        self._peers: dict[str, bytes] = {}  # by id of the request
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control = self._open(zmq.ROUTER, "tcp://127.0.0.1:*" if tcp else f"ipc://{folder}/control")
        self._events = self._open(zmq.XPUB, "tcp://127.0.0.1:*" if tcp else f"ipc://{folder}/events")
        self.endpoint = _address(self._control)
        self.pubsub_endpoint = _address(self._events)
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

    def reply_to(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Answer a request that got no answer; only from within a function of `replies`."""
        envelope = {"status": "ok", "time": time.time(), **answer, "id": request["id"]}
        self._control.send_multipart([self._peers[request["id"]], json.dumps(envelope).encode()])

    def leave_control(self) -> None:
        """Close the control endpoint, as a daemon that has gone; events still go out."""
        self._sender.send(b"leave")
        wait_until(lambda: self._control.closed, "the control endpoint to close")

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
            if self._outbox in ready:
                frames = self._outbox.recv_multipart()
                if frames == [b""]:
                    return
                if frames == [b"leave"]:
                    poller.unregister(self._control)
                    self._control.close()
                else:
                    self._events.send_multipart(frames)

    def _answer(self, peer: bytes, body: bytes) -> None:
        request = json.loads(body)
        self.requests.append(request)
        if "id" in request:
            self._peers[request["id"]] = peer
        reply = self.replies.get(request["command"], {})
        answer = reply(request["properties"]) if callable(reply) else reply
        if answer is not None and request.get("msg_type") != "cast":
            self.reply_to(request, answer)


def _address(socket: zmq.Socket[bytes]) -> str:
    address: bytes = socket.getsockopt(zmq.LAST_ENDPOINT)  # type: ignore[assignment]  # this option is bytes
    return address.decode()
