"""Requests and websockets: from HTTP to the operations, and back."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import tornado.web
import tornado.websocket
from tornado.iostream import StreamClosedError

from circus_httpd.access import Guard, Identity
from circus_httpd.connections import Connections
from circus_httpd.contract import Contract, Operation
from circus_httpd.gate import Gate, Visitor
from circus_httpd.live import TOO_MANY, Live, Page
from circus_httpd.log_reader import Line, LogFilter, as_text, iter_lines, read_lines
from circus_httpd.operations import Answer, Call, Operations
from circus_httpd.problems import Problem
from circus_httpd.sessions import Sessions

__all__ = ["HEADERS", "Services", "make_application"]

_logger = logging.getLogger("circus")

HEADERS: Final = {
    "Server": "circushttpd",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Of every answer."""

_STATIC: Final = Path(str(files("circus_httpd"))) / "static"
_MONTH: Final = 30 * 86400
_PRINTED: Final = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"
_NOT_BUILT: Final = """<!doctype html>
<meta charset="utf-8"><title>circushttpd</title>
<h1>circushttpd runs</h1>
<p>Its page was not built: install npm and run <code>pip install ./circus_plugins/httpd</code> again.
The HTTP API is there: <a href="api/openapi.json">api/openapi.json</a>.
"""


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers need.

    Attributes:
        cookie: name of the cookie.
        prefix: in front of all paths, such as `/circus`.
        multicast: the network can be asked for daemons.
        save: keeps sessions for after a restart.
    """

    contract: Contract
    operations: Operations
    guard: Guard
    gate: Gate
    sessions: Sessions
    live: Live
    cookie: str
    prefix: str
    multicast: bool
    save: Callable[[], Awaitable[None]]
    connections: Connections


def make_application(services: Services) -> tornado.web.Application:
    prefix = re.escape(services.prefix)
    about = {"services": services}
    handlers: list[Any] = [
        (rf"{prefix}/api/live", _LiveHandler, about),
        (rf"{prefix}/api/(.*)", _ApiHandler, about),
        (rf"{prefix}/static/(.*)", _StaticHandler, about | {"path": str(_STATIC)}),
        (rf"{prefix}/", _PageHandler, about),
        (rf"{prefix}/.*", _ToPageHandler, about),
    ]
    if prefix:
        handlers.append((prefix, _ToPageHandler, about))
    return tornado.web.Application(
        handlers,
        default_handler_class=_NothingHandler,
        default_handler_args=about,
        log_function=_log,
        compress_response=True,
        websocket_ping_interval=20,
        websocket_ping_timeout=20,
        websocket_max_message_size=64 * 1024,
    )


def _log(handler: tornado.web.RequestHandler) -> None:
    """Log what changed something, without queries, and what we did wrong."""
    status, request = handler.get_status(), handler.request
    # Quoted: a stranger's control characters would reach the terminal of who reads the log.
    asked = quote(f"{request.method} {request.path[:500]}", safe=_PRINTED)
    line = f"{asked} {status} {request.request_time() * 1000:.0f} ms"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in (501, 503, 504):
        _logger.error("%s", line)
    elif request.method in ("GET", "HEAD"):
        _logger.debug("%s", line)
    else:
        _logger.info("%s", line)


class _Checked(tornado.web.RequestHandler):
    """Refuses a Host that is not ours, sets the headers of security, tells errors as JSON."""

    services: Services
    visitor: Visitor

    def initialize(self, services: Services) -> None:
        self.services = services

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        request = self.request
        gate = self.services.gate
        self.visitor = gate.visitor(str(request.remote_ip), request.protocol, request.headers)
        try:
            gate.check_host(self.visitor)
        except Problem as problem:
            self.refuse(problem)

    def identify(self) -> Identity | None:
        """Return who asks. Raises Problem."""
        cookie = self.get_cookie(self.services.cookie)
        identity = self.services.guard.identify(self.visitor, self.request.headers, cookie)
        if identity is not None:
            connection: Any = self.request.server_connection
            self.services.connections.recognise(connection.stream)
        return identity

    def refuse(self, problem: Problem) -> None:
        self.set_status(problem.status)
        for name, value in problem.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps(problem.to_json()))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        detail = (
            "the server has made a mistake; its log says more"
            if status_code == 500
            else "it is not understood"
        )
        self.refuse(Problem(status_code, detail))


class _ApiHandler(_Checked):
    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")

    async def _run(self, path: str) -> None:
        request = self.request
        try:
            # The path as it came: a name may hold an encoded slash.
            raw = request.path.removeprefix(f"{self.services.prefix}/api/")
            operation, values = self.services.contract.find(str(request.method), raw)
            await self._operate(operation, values)
        except Problem as problem:
            self.refuse(problem)

    get = post = put = patch = delete = head = options = _run

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", "GET, HEAD, POST, PATCH, DELETE")
        super().write_error(status_code, **kwargs)

    async def _operate(self, operation: Operation, values: dict[str, Any]) -> None:
        services, request = self.services, self.request
        identity = self.identify() if operation.access != "none" else None
        services.guard.check(identity, operation.access, str(request.method), self.visitor, request.headers)
        params = {**values, **operation.query_values(request.query_arguments)}
        body = operation.check_body(request.body, request.headers.get("Content-Type", ""))
        if operation.access == "none" and operation.name == "login":
            await self._log_in(body["token"])
        elif identity is not None and operation.name == "session":
            self._answer(Answer(self._session(identity)))
        elif identity is not None and operation.name == "logout":
            await self._log_out(identity)
        elif identity is not None and operation.name == "downloadLogs":
            await self._download(params)
        else:
            role = "read" if identity is None else identity.role
            self._answer(await services.operations.table[operation.name](Call(role, params, body)))

    def _answer(self, answer: Answer) -> None:
        self.set_status(answer.status)
        if answer.value is None:
            self.finish()
            return
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(answer.value))

    # -- sessions ----------------------------------------------------------------------------------------

    async def _log_in(self, token: str) -> None:
        services = self.services
        role = services.guard.role_of(self.visitor, token)
        cookie = services.sessions.begin(role)
        self.set_cookie(
            services.cookie,
            cookie,
            path=f"{services.prefix}/",
            max_age=_MONTH,
            httponly=True,
            samesite="Strict",
            secure=self.visitor.scheme == "https",
        )
        await services.save()
        _logger.info("%s has logged in, role %s", self.visitor.address, role)
        self._answer(Answer(self._session(Identity(role, services.sessions.find(cookie)))))

    async def _log_out(self, identity: Identity) -> None:
        if identity.session is not None:
            self.services.sessions.end(identity.session)
            self.services.live.changed()
            await self.services.save()
        self.clear_cookie(self.services.cookie, path=f"{self.services.prefix}/")
        self._answer(Answer(None, 204))

    def _session(self, identity: Identity) -> dict[str, Any]:
        sessions, session = self.services.sessions, identity.session
        return {
            "role": identity.role,
            "csrf": None if session is None else sessions.csrf(session),
            "version": version("circus-httpd"),
            "multicast": self.services.multicast,
        }

    # -- logs --------------------------------------------------------------------------------------------

    async def _download(self, params: dict[str, Any]) -> None:
        """Send the lines that fit as text, as far as the other end takes them."""
        has_begun = False
        try:
            async for lines in self._wanted_lines(params):
                self._begin_file()
                for line in lines:
                    self.write(as_text(line).encode("utf-8", "replace"))
                has_begun = True
                await self.flush()
        except StreamClosedError:
            return
        except Problem:
            if not has_begun:
                raise
            # Half a file that looks like a whole one would be a lie: the other end sees the break.
            connection: Any = self.request.server_connection
            connection.stream.close()
        else:
            self._begin_file()
            self.finish()

    def _begin_file(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="circus-logs.txt"')

    async def _wanted_lines(self, params: dict[str, Any]) -> AsyncIterator[Sequence[Line]]:
        daemon = self.services.operations.daemon(params["daemon"])
        filter_ = LogFilter(wid=params.get("wid"), search=params.get("search"))
        about = {"watcher": params.get("watcher"), "stream": params.get("stream")}
        if "lines" in params:
            page = await read_lines(daemon, **about, most=params["lines"], filter_=filter_)
            yield page["lines"]
            return
        async for lines in iter_lines(daemon, **about):
            yield list(filter(filter_.fits, lines))


class _LiveHandler(_Checked, tornado.websocket.WebSocketHandler):
    page: Page | None = None
    identity: Identity

    def prepare(self) -> None:
        super().prepare()
        if self._finished:
            return
        try:
            identity = self.identify()
            self.services.guard.check(identity, "read", "GET", self.visitor, self.request.headers)
            if identity is None:
                raise AssertionError("the guard lets nobody in")
            is_browser = identity.session is not None
            self.services.gate.check_origin(self.visitor, self.request.headers, is_required=is_browser)
        except Problem as problem:
            self.refuse(problem)
        else:
            self.identity = identity

    def check_origin(self, origin: str) -> bool:
        """Let in: `prepare` has looked at it, with proxies in mind."""
        return True

    def get_compression_options(self) -> dict[str, Any]:
        return {"compression_level": 3, "mem_level": 5}

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        page = Page(self.identity, self._write, self.close)
        if self.services.live.add(page):
            self.page = page
        else:
            self.close(TOO_MANY, "there are too many pages")

    def on_message(self, message: str | bytes) -> None:
        if self.page is not None:
            self.services.live.hear(self.page, message)

    def on_close(self) -> None:
        if self.page is not None:
            self.services.live.remove(self.page)

    async def _write(self, text: str) -> None:
        try:
            await self.write_message(text)
        except (tornado.websocket.WebSocketClosedError, StreamClosedError) as error:
            raise ConnectionError from error


class _StaticHandler(_Checked, tornado.web.StaticFileHandler):
    def initialize(self, services: Services, path: str) -> None:  # type: ignore[override]
        _Checked.initialize(self, services)
        tornado.web.StaticFileHandler.initialize(self, path)

    def parse_url_path(self, url_path: str) -> str:
        if "\0" in url_path:
            raise tornado.web.HTTPError(404)
        return super().parse_url_path(url_path)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")  # asked for again, and answered with 304


class _PageHandler(_Checked):
    """The only page: what it shows is in the fragment of its address, what it names is relative to it."""

    async def get(self) -> None:
        index = _STATIC / "index.html"
        try:
            html = await asyncio.to_thread(index.read_text, encoding="utf-8")
        except OSError:
            html = _NOT_BUILT
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)

    head = get


class _ToPageHandler(_Checked):
    """Leads from every other address to the page."""

    def get(self) -> None:
        self.redirect(f"{self.services.prefix}/")

    head = get


class _NothingHandler(_Checked):
    def prepare(self) -> None:
        super().prepare()
        if not self._finished:
            self.refuse(Problem(404, f"there is nothing here; the page is at {self.services.prefix}/"))
