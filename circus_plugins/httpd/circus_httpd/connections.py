"""How many connections are open, and how long their requests are: a flood must not take all there is."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from typing import Any, Final

from tornado import httputil
from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from circus_httpd.bodies import BoundedBody

__all__ = ["BoundedServer", "Connections", "most_connections"]

_MOST: Final = 1000


def most_connections() -> int:
    """Return how many leave half of our descriptors to all else: pages, daemons, files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(1, min(_MOST, soft // 2))


class Connections:
    """Those that are open. One too many closes the oldest one of a stranger: a flood drives out itself.

    A websocket is none of them any more; their number has a limit of its own.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._strangers: dict[IOStream, None] = {}
        self._known: dict[IOStream, None] = {}

    def add(self, stream: IOStream) -> None:
        if len(self._strangers) + len(self._known) >= self._most:
            oldest = next(iter(self._strangers or self._known))
            self.forget(oldest)
            oldest.close()
        self._strangers[stream] = None

    def recognise(self, stream: IOStream) -> None:
        """Note that who is at the other end has shown a token or the cookie of a session."""
        if stream in self._strangers:
            del self._strangers[stream]
            self._known[stream] = None

    def forget(self, stream: IOStream) -> None:
        self._strangers.pop(stream, None)
        self._known.pop(stream, None)


class BoundedServer(HTTPServer):
    """A server that counts its connections, and takes no body that is too long."""

    def initialize(  # type: ignore[override]
        self, request_callback: Any, *, connections: Connections, headers: Mapping[str, str], **about: Any
    ) -> None:
        """`headers`: of answers that are given here."""
        super().initialize(request_callback, **about)
        self._open = connections
        self._headers = headers

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        self._open.add(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        self._open.forget(server_conn.stream)
        super().on_close(server_conn)

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        request = super().start_request(server_conn, request_conn)
        if not isinstance(request_conn, HTTP1Connection):
            return request
        return BoundedBody(request, request_conn, self._headers)
