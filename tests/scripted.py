"""A daemon that answers as a test tells it, for what no daemon of ours does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import zmq

__all__ = ["ScriptedDaemon", "conflict"]

Script = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


def conflict(name: str = "manage_watchers") -> dict[str, Any]:
    """The error with which Circus 0.19 refuses one command because of another."""
    reason = f"arbiter is already running {name} command"
    return {"status": "error", "reason": reason, "tb": None, "time": time.time(), "errno": 5}


class ScriptedDaemon:
    """Answers each request with what `script` returns, or not at all. A context manager.

    Attributes:
        requests: what arrived, in order.
    """

    def __init__(self, endpoint: str, script: Script) -> None:
        self.endpoint = endpoint
        self.requests: list[dict[str, Any]] = []
        self._script = script
        self._is_ending = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(endpoint)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _serve(self) -> None:
        while not self._is_ending.is_set():
            if not self._socket.poll(20):
                continue
            peer, body = self._socket.recv_multipart()
            request = json.loads(body)
            self.requests.append(request)
            reply = self._script(request)
            if reply is not None and request.get("msg_type") != "cast":
                self._socket.send_multipart([peer, json.dumps({**reply, "id": request.get("id")}).encode()])
