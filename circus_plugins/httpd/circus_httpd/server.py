"""Puts the parts together and serves them."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from tornado.netutil import bind_sockets

from circus_core import CircusError
from circus_httpd.access import Guard, Identity
from circus_httpd.attempts import Attempts
from circus_httpd.connections import BoundedServer, Connections, most_connections
from circus_httpd.contract import Contract
from circus_httpd.daemons import Daemons
from circus_httpd.gate import Gate
from circus_httpd.live import Live
from circus_httpd.operations import Operations
from circus_httpd.sessions import Sessions
from circus_httpd.settings import Settings
from circus_httpd.state import StateFile
from circus_httpd.tls import make_context
from circus_httpd.tokens import StateError, TokenFile, state_folder
from circus_httpd.web import HEADERS, Services, make_application

__all__ = ["ListenError", "Server"]

_LONGEST_HEADERS: Final = 1 << 16
_IDLE: Final = 120.0
_END: Final = 3.0
_TRIES: Final = 10


class ListenError(CircusError):
    """The server can't listen; the text says where and why."""


class Server:
    """Listens within `async with`. Belongs to the loop.

    Attributes:
        url: of the page, as a browser on this machine can reach it.
        has_new_tokens: tokens were made, nobody knows them yet.
    """

    def __init__(self, settings: Settings) -> None:
        """Listen, but answer nothing yet.

        Raises:
            ListenError: it can't listen.
            CertificateError: the certificate or its key can't be used.
            StateError: tokens can't be kept.
            ValueError: one of trusted_proxies is no address.
        """
        self._settings = settings
        self._sockets = _listening(settings)
        try:
            self._prepare(settings)
        except BaseException:
            self._close_sockets()
            raise

    def _prepare(self, settings: Settings) -> None:
        tls = make_context(settings.certificate, settings.key)
        port = _port(self._sockets[0])
        self.url = _url(settings, self._sockets[0], is_secure=tls is not None)
        folder = state_folder(settings.state_dir)
        self.tokens = TokenFile(folder)
        self.has_new_tokens = self.tokens.make()
        self._state = StateFile(folder, str(port))
        self._kept = self._state.load()
        self._saving = asyncio.Lock()
        self._sessions = Sessions(self.tokens, time.time, self._kept.get("sessions"))
        gate = Gate(
            allowed_hosts=(settings.host, *settings.allow_hosts), trusted_proxies=settings.trusted_proxies
        )
        self._daemons = Daemons(self._changed)
        self._live = Live(self._daemons, is_valid=self._is_valid)
        contract = Contract()
        connections = Connections(most_connections())
        services = Services(
            contract=contract,
            operations=Operations(
                self._daemons,
                multicast=settings.multicast,
                description=contract.document,
                daemons_changed=self._save,
            ),
            guard=Guard(self.tokens, self._sessions, Attempts(time.monotonic), gate),
            gate=gate,
            sessions=self._sessions,
            live=self._live,
            cookie=f"circushttpd_{port}",
            prefix=settings.prefix,
            multicast=settings.multicast is not None,
            save=self._save,
            connections=connections,
        )
        self._server = BoundedServer(
            make_application(services),
            connections=connections,
            headers=HEADERS,
            ssl_options=tls,
            max_header_size=_LONGEST_HEADERS,
            idle_connection_timeout=_IDLE,
            body_timeout=_IDLE,
        )

    async def __aenter__(self) -> Self:
        settings = self._settings
        for endpoint in settings.endpoints:
            self._daemons.add(endpoint, ssh=settings.ssh, ssh_keyfile=settings.ssh_keyfile, is_first=True)
        for endpoint, ssh in _kept_daemons(self._kept):
            self._daemons.add(endpoint, ssh=ssh)
        self._server.add_sockets(self._sockets)
        await self._save()  # where we are, for 'circushttpd token'
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        await self._live.close()
        await self._save()
        await self._daemons.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END):
                await self._server.close_all_connections()
        self._close_sockets()

    def _changed(self) -> None:
        self._live.changed()

    def _is_valid(self, identity: Identity) -> bool:
        """Tell whether somebody who was let in is still to be."""
        try:
            if identity.session is not None:
                return self._sessions.use(identity.session)
            return self.tokens.role_of(identity.token) == identity.role
        except StateError:
            return False

    async def _save(self) -> None:
        async with self._saving:
            try:
                sessions = self._sessions.to_json()
            except StateError:
                return
            await asyncio.to_thread(
                self._state.save,
                {"url": self.url, "sessions": sessions, "daemons": self._daemons.added()},
            )

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()


def _listening(settings: Settings) -> list[socket.socket]:
    if settings.fd is not None:
        return [_inherited(settings.fd)]
    try:
        return _bound(settings.port, settings.host or None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ListenError(
            f"can't listen at {settings.host}:{settings.port}: {reason}; choose another place with --host "
            "and --port, or httpd_host and httpd_port"
        ) from error


def _bound(port: int, host: str | None) -> list[socket.socket]:
    """Listen at all addresses of a host. Port 0: one that is free at the first may be taken at the next."""
    for _ in range(_TRIES if port == 0 else 0):
        try:
            return bind_sockets(port, host)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return bind_sockets(port, host)


def _inherited(fd: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=fd)
        is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ListenError(f"--fd {fd} is no socket: {(error.strerror or str(error)).lower()}") from error
    if not is_listening:
        raise ListenError(f"--fd {fd} is a socket that does not listen")
    sock.setblocking(False)
    return sock


def _port(sock: socket.socket) -> int:
    name = sock.getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def _url(settings: Settings, sock: socket.socket, *, is_secure: bool) -> str:
    name = sock.getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host = settings.host if settings.fd is None else str(name[0])
    if host in ("", "0.0.0.0", "::", "127.0.0.1", "::1"):
        host = "localhost"
    scheme = "https" if is_secure else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{name[1]}{settings.prefix}/"


def _kept_daemons(kept: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    found = []
    daemons = kept.get("daemons")
    for each in daemons if isinstance(daemons, list) else ():
        match each:
            case {"endpoint": str(endpoint), "ssh": (str() | None) as ssh}:
                found.append((endpoint, ssh))
    return found
