"""The clients of Circus 0.19: the same constructor, messages and replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

from circus.exc import CallError
from circus.util import DEFAULT_ENDPOINT_DEALER
from circus_core import AsyncCircusClient as CoreAsyncClient
from circus_core import CallTimeoutError, ConnectionLostError
from circus_core import CircusClient as CoreClient

__all__ = ["AsyncCircusClient", "CallError", "CircusClient", "cast_message", "make_json", "make_message"]


def make_message(command: str, **props: Any) -> dict[str, Any]:
    """Return a request."""
    return {"command": command, "properties": props}


def cast_message(command: str, **props: Any) -> dict[str, Any]:
    """Return a request that gets no reply."""
    return {"command": command, "msg_type": "cast", "properties": props}


def make_json(command: str, **props: Any) -> bytes:
    """Return a request as it goes over the wire."""
    return json.dumps(make_message(command, **props)).encode()


class CircusClient:
    """Asks a daemon and waits for its reply. One thread at a time is served.

    Attributes:
        endpoint: the control endpoint of the daemon.
        timeout: milliseconds that a call takes at most.
        context: what was given; the connection has one of its own.
    """

    def __init__(
        self,
        context: Any = None,
        endpoint: str = DEFAULT_ENDPOINT_DEALER,
        timeout: float = 5.0,
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
    ) -> None:
        """Connect, without waiting for the daemon.

        Args:
            context: a ZeroMQ context; not needed any more.
            timeout: seconds.
            ssh_server: `[user@]host[:port]` from which the endpoint can be reached; waits for the login.
            ssh_keyfile: the private key for that.

        Raises:
            CallError: this is not an endpoint, or there is no login.
        """
        self.context = context
        self.endpoint = endpoint
        self._timeout = timeout
        self.timeout = timeout * 1000
        self._client = CoreClient(endpoint, timeout=timeout, ssh_server=ssh_server, ssh_keyfile=ssh_keyfile)

    def send_message(self, command: str, **props: Any) -> dict[str, Any]:
        """Send a request and return its reply, also one that reports an error; raises as `call`."""
        return self.call(make_message(command, **props))

    def call(self, cmd: MutableMapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its reply, also one that reports an error.

        Args:
            cmd: from make_message() or cast_message(); gets an `id`. A cast has no reply but `{}`.

        Raises:
            DeprecationWarning: `cmd` is not a mapping.
            CallError: `Timed out.`, or the request or its reply is not usable.
        """
        _refuse_text(cmd)
        seconds = self.timeout / 1000
        try:
            if cmd.get("msg_type") != "cast":
                return self._client.call(cmd, timeout=seconds)
            self._client.cast(str(cmd.get("command")), timeout=seconds, **cmd.get("properties", {}))
        except (CallTimeoutError, ConnectionLostError) as error:
            raise _timed_out(error) from error
        return {}

    def stop(self) -> None:
        """Give the connection back."""
        self._client.close()


class AsyncCircusClient:
    """Asks a daemon from an asyncio loop, which that of tornado is, too. Calls don't wait for each other.

    Attributes:
        endpoint, timeout, context: see `CircusClient`.
    """

    def __init__(
        self,
        context: Any = None,
        endpoint: str = DEFAULT_ENDPOINT_DEALER,
        timeout: float = 5.0,
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
    ) -> None:
        """Keep what is given; see `CircusClient`. The first call connects, on the loop that it runs on."""
        self.context = context
        self.endpoint = endpoint
        self._timeout = timeout
        self.timeout = timeout * 1000
        self._login = (ssh_server, ssh_keyfile)
        self._client: CoreAsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send_message(self, command: str, **props: Any) -> dict[str, Any]:
        """Send a request and return its reply; see `CircusClient.send_message`."""
        return await self.call(make_message(command, **props))

    async def call(self, cmd: MutableMapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its reply; see `CircusClient.call`."""
        _refuse_text(cmd)
        client, seconds = self._connected(), self.timeout / 1000
        try:
            if cmd.get("msg_type") != "cast":
                return await client.call(cmd, timeout=seconds)
            await client.cast(str(cmd.get("command")), timeout=seconds, **cmd.get("properties", {}))
        except (CallTimeoutError, ConnectionLostError) as error:
            raise _timed_out(error) from error
        return {}

    def stop(self) -> None:
        """Give the connection back; calls that wait get a CallError."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> CoreAsyncClient:
        """Return the connection; a new one if the loop is another one now, as after two run_sync()."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self.stop()
            server, keyfile = self._login
            self._client = CoreAsyncClient(
                self.endpoint, timeout=self._timeout, ssh_server=server, ssh_keyfile=keyfile
            )
            self._loop = loop
        return self._client


def _refuse_text(cmd: object) -> None:
    if not isinstance(cmd, MutableMapping):
        raise DeprecationWarning("call() takes a mapping")


def _timed_out(error: CallError) -> CallError:
    """Return the error with the text that programs look for; why it is so is its cause."""
    return type(error)("Timed out.")
