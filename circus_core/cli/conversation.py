"""The daemon as circusctl talks to it: one connection, made when it is first needed and kept."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from circus_core.cli.command_line import Settings
from circus_core.commands import colours
from circus_core.errors import CallError, CallTimeoutError, UnreachableError

if TYPE_CHECKING:
    from circus_core.clients.client import CircusClient
    from circus_core.clients.tunnel import Tunnel

__all__ = ["ControlConversation"]


class ControlConversation:
    """What `Conversation` promises to commands. To be closed; imports what it needs when it does.

    A connection is given up with whatever was not answered: what was meant for now is not done later.
    """

    def __init__(self, settings: Settings, *, patience: float = 5.0) -> None:
        """`patience` is the seconds for an answer where no --timeout is given."""
        self._settings = settings
        self._default_patience = patience
        self._client: CircusClient | None = None
        self._tunnel: Tunnel | None = None
        self._configured: str | None = None  # the endpoint that --config says

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def use(self, settings: Settings) -> None:
        """Go on with other settings; the connection is kept if it still leads to the same daemon."""
        if _way(settings) != _way(self._settings):
            self.close()
            self._configured = None
        self._settings = settings

    @property
    def endpoint(self) -> str:
        """Where requests go; behind a tunnel, as it is called over there. CallError: --config is no help."""
        from circus_core.clients.channel import DEFAULT_ENDPOINT

        if self._settings.config is not None:
            return self._from_config(self._settings.config)
        return self._settings.endpoint or DEFAULT_ENDPOINT

    @property
    def wants_colours(self) -> bool:
        return colours.are_wanted(sys.stdout)

    def ask(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float | None = None
    ) -> dict[str, Any]:
        from circus_core.clients.asking import refuse_errors

        message = {"command": command, "properties": dict(properties)}
        is_patient = bool(properties.get("waiting")) and (timeout or self._settings.timeout) is None
        try:
            return refuse_errors(self._call(message, self._patience(timeout), is_patient=is_patient))
        except (CallTimeoutError, KeyboardInterrupt):
            self.hang_up()
            raise

    def ask_quickly(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float
    ) -> dict[str, Any]:
        """Ask as `ask` does, but not if there would have to be a login first: CallError then."""
        if self._settings.ssh is not None and not (self._tunnel and self._tunnel.is_open):
            raise CallError(f"there is no login at {self._settings.ssh} yet")
        return self.ask(command, properties, timeout=timeout)

    def _call(self, message: dict[str, Any], timeout: float, *, is_patient: bool) -> dict[str, Any]:
        """Ask, and if the end of something is waited for, go on as long as the daemon answers others."""
        client = self._connected()
        try:
            return client.call(message, timeout=timeout)
        except UnreachableError:
            raise
        except CallTimeoutError:
            if not is_patient:
                raise
        while True:
            self._check_that_it_lives(timeout)
            with contextlib.suppress(CallTimeoutError):
                return client.wait_on(message, timeout=timeout)

    def _check_that_it_lives(self, timeout: float) -> None:
        """Ask something short over another connection; raises CallTimeoutError."""
        from circus_core.clients.client import CircusClient

        with CircusClient(self.endpoint, timeout=timeout, tunnel=self._logged_in()) as other:
            other.send("numwatchers")

    def events(
        self, topics: Sequence[str] = (), /, *, of_control: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        from circus_core.clients.client import subscribe

        endpoint = self._told_events_endpoint() if of_control else self._events_endpoint()
        return subscribe(endpoint, tuple(topics), tunnel=self._logged_in())

    def explain_silence(self) -> str:
        """Return what to tell a user who got no answer."""
        from circus_core.cli.silence import explain

        if self._tunnel is not None and not self._tunnel.is_open:
            return f"error: the login at {self._settings.ssh} has ended"
        return explain(self.endpoint, self._patience(), self._settings.ssh)

    def hang_up(self) -> None:
        """Give up the connection; the next question makes a new one. A tunnel stays."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        """Give everything back."""
        self.hang_up()
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def _patience(self, timeout: float | None = None) -> float:
        if timeout is not None:
            return timeout
        return self._default_patience if self._settings.timeout is None else self._settings.timeout

    def _connected(self) -> CircusClient:
        if self._tunnel is not None and not self._tunnel.is_open:
            self.close()
        if self._client is None:
            from circus_core.clients.client import CircusClient

            self._client = CircusClient(self.endpoint, timeout=self._patience(), tunnel=self._logged_in())
        return self._client

    def _logged_in(self) -> Tunnel | None:
        """Return the tunnel, None if there is to be none."""
        server = self._settings.ssh
        if server is not None and self._tunnel is None:
            from circus_core.clients.tunnel import open_tunnel

            self._tunnel = open_tunnel(server, self._settings.ssh_keyfile)
        return self._tunnel

    def _from_config(self, path: str) -> str:
        if self._configured is None:
            from circus_core.config.load import load_or_raise

            self._configured = load_or_raise(path).arbiter.endpoint
        return self._configured

    def _events_endpoint(self) -> str:
        """Return --endpoint, which means the events here, else what the daemon says, else the default."""
        from circus_core.clients.channel import DEFAULT_PUBSUB_ENDPOINT

        settings = self._settings
        if settings.is_endpoint_typed and settings.endpoint is not None:
            return settings.endpoint
        try:
            return self._told_events_endpoint()
        except (CallError, KeyError, TypeError):
            return DEFAULT_PUBSUB_ENDPOINT

    def _told_events_endpoint(self) -> str:
        """Ask the daemon where its events are."""
        from circus_core.clients.channel import reachable

        told = self.ask("globaloptions", {"option": "pubsub_endpoint"})["options"]["pubsub_endpoint"]
        return reachable(str(told), self.endpoint)


def _way(settings: Settings) -> tuple[str | None, ...]:
    return settings.endpoint, settings.config, settings.ssh, settings.ssh_keyfile
