"""The web server: one page, for those who may see it."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application, RequestHandler

from circus_prometheus.options import Options

__all__ = ["Server"]

_logger = logging.getLogger("circus")

GetPage = Callable[[], Awaitable[Collector]]


class Server:
    """Listens from its making to `close`. Belongs to the current loop."""

    def __init__(self, options: Options, get_page: GetPage) -> None:
        """Raises ValueError: it can't listen there, or the file of the token can't be read."""
        self._socket_file = options.unix_socket
        if options.token_file is not None:
            _read_token(options.token_file)
        settings = {"get_page": get_page, "token_file": options.token_file}
        application = Application([(options.path, _Handler, settings)], log_function=lambda handler: None)
        self._server = HTTPServer(application, max_body_size=1024, idle_connection_timeout=120)
        try:
            self.address = self._listen(options)
        except OSError as error:
            place = options.unix_socket or f"{options.host}:{options.port}"
            raise ValueError(f"can't listen at {place}: {error.strerror or error}") from None

    async def close(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()
        self._remove_socket_file()

    def _remove_socket_file(self) -> None:
        if self._socket_file is not None:
            Path(self._socket_file).unlink(missing_ok=True)

    def _listen(self, options: Options) -> str:
        if options.unix_socket is not None:
            self._server.add_socket(bind_unix_socket(options.unix_socket, mode=0o600))
            return options.unix_socket
        sockets = bind_sockets(options.port, options.host or None)
        self._server.add_sockets(sockets)
        host, port = sockets[0].getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{options.path}"


class _Handler(RequestHandler):
    def initialize(self, get_page: GetPage, token_file: str | None) -> None:
        self._get_page = get_page
        self._token_file = token_file

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    async def get(self) -> None:
        if not self._is_allowed():
            self.set_status(401)
            self.set_header("WWW-Authenticate", "Bearer")
            return
        page = await self._get_page()
        encode, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.finish(encode(page))

    def _is_allowed(self) -> bool:
        if self._token_file is None:
            return True
        try:
            token = _read_token(self._token_file)
        except ValueError as error:
            _logger.error("%s", error)
            return False
        given = self.request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), b"Bearer " + token)


def _read_token(path: str) -> bytes:
    """Read it each time: who changes a token does not have to restart anything."""
    try:
        token = Path(path).read_bytes().strip()
    except OSError as error:
        raise ValueError(f"token_file {os.fspath(path)!r} can't be read: {error.strerror}") from None
    if not token:
        raise ValueError(f"token_file {os.fspath(path)!r} is empty")
    return token
