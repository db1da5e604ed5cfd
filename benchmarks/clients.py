"""Clients that stay connected, with as little of their own as possible."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import zmq

from benchmarks.contestants import Contestant, Running
from benchmarks.contestants.supervisor import SUPERVISOR
from circus_core import secure

__all__ = ["Client", "ZmqClient", "connected"]

_PATIENCE = 120.0  # seconds


class Client(Protocol):
    """One connection. Everything raises AssertionError if there is no answer."""

    def ask_for_one(self, name: str) -> Any:
        """Ask for the state of one watcher or program."""

    def ask_for_all(self) -> Any:
        """Ask for the state of everything."""


class ZmqClient:
    """A DEALER socket. A context manager."""

    def __init__(self, endpoint: str, environment: Mapping[str, str]) -> None:
        """Connect; `environment` is that of clients of the daemon."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        os.environ["CIRCUS_KEYS"] = environment.get("CIRCUS_KEYS", "")
        try:
            secure(self._socket, endpoint)
        finally:
            del os.environ["CIRCUS_KEYS"]
        self._socket.connect(endpoint)
        self._number = 0

    def __enter__(self) -> ZmqClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def ask_for_one(self, name: str) -> bytes:
        return self.ask("status", name=name)

    def ask_for_all(self) -> bytes:
        return self.ask("status")

    def ask(self, command: str, *, patience: float = _PATIENCE, **properties: Any) -> bytes:
        """Send a request and return the reply as it came, within so many seconds."""
        self._number += 1
        message = {"id": f"{self._number:032x}", "command": command, "properties": properties}
        self._socket.send(json.dumps(message).encode())
        if not self._socket.poll(int(1000 * patience)):
            raise AssertionError(f"no answer to {command}")
        return self._socket.recv_multipart()[-1]


class _RpcClient:
    """XML-RPC over HTTP over a socket file, on one connection as long as the server keeps it."""

    def __init__(self, path: str) -> None:
        self._connection = http.client.HTTPConnection("localhost", timeout=_PATIENCE)
        self._path = path

    def ask_for_one(self, name: str) -> Any:
        return self._call("supervisor.getProcessInfo", f"{name}:{name}-0")

    def ask_for_all(self) -> Any:
        return self._call("supervisor.getAllProcessInfo")

    def close(self) -> None:
        self._connection.close()

    def _call(self, method: str, *arguments: str) -> Any:
        if self._connection.sock is None:
            self._connection.sock = socket.socket(socket.AF_UNIX)
            self._connection.sock.settimeout(_PATIENCE)
            self._connection.sock.connect(self._path)
        body = xmlrpc.client.dumps(arguments, method)
        self._connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        return xmlrpc.client.loads(self._connection.getresponse().read())[0][0]


@contextmanager
def connected(contestant: Contestant, running: Running, *, timeout: float = 60.0) -> Iterator[Client]:
    """Connect as soon as it answers; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not _listens(contestant, running):
        if time.monotonic() > deadline:
            raise AssertionError(f"{contestant.name} does not answer")
        time.sleep(0.05)
    if contestant is SUPERVISOR:
        rpc = _RpcClient(running.endpoint)
        try:
            yield rpc
        finally:
            rpc.close()
    else:
        with ZmqClient(running.endpoint, running.environment) as client:
            yield client


def _listens(contestant: Contestant, running: Running) -> bool:
    """Tell whether it answers; a client that does not know its key yet never gets an answer."""
    if contestant is SUPERVISOR:
        return os.path.exists(running.endpoint)
    with ZmqClient(running.endpoint, running.environment) as client:
        try:
            client.ask("list", patience=1.0)
        except AssertionError:
            return False
    return True
