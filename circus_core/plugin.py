"""CircusPlugin: the base class of a program that listens to what happens and may ask for more to happen."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

import zmq
from tornado.ioloop import IOLoop
from tornado.platform.asyncio import AsyncIOLoop

from circus_core.config.units import BOOL
from circus_core.errors import CallError, CallTimeoutError, CircusError
from circus_core.events import event_name
from circus_core.keys import secure
from circus_core.wire import decode_reply, encode_request

__all__ = ["CircusPlugin"]

_logger = logging.getLogger("circus")

_TOPICS: Final = b"watcher."

_EVENTS_PER_TURN: Final = 100
"""Events delivered before timers and other callbacks of the plugin get their turn."""

_EVENTS_WAITING: Final = 10_000
"""Events kept while the plugin is busy (ZMQ_RCVHWM); beyond that a PUB socket drops, it never waits."""

_LAST_WORDS: Final = 1000
"""Milliseconds that a request sent in handle_stop has to get away (ZMQ_LINGER)."""


class CircusPlugin:
    """Base class of plugins. Override handle_recv, and handle_init and handle_stop as needed.

    Life: constructor, connected, handle_init, handle_recv for each event, handle_stop. All of them run in one
    thread, that of `start`: one event is finished before the next one comes. Plugins written for Circus 0.19
    run unchanged.

    Attributes:
        name: class attribute, a short name; prefix of the plugin's options in the sections of watchers.
        call_timeout: class attribute, seconds that `call` waits for the reply.
        config: the keywords; text where they come from a file. `name` is `plugin:NAME` in a daemon's plugin.
        active: False if the configuration says `active = False`; such a plugin does not start.
        running: True from the end of handle_init to the beginning of handle_stop.
    """

    name: str = ""
    call_timeout: float = 5.0
    daemon: ClassVar[bool] = True

    def __init__(
        self,
        endpoint: str,
        pubsub_endpoint: str,
        check_delay: float,
        ssh_server: str | None = None,
        **config: Any,
    ) -> None:
        """Keep what is given; nothing is connected yet.

        Args:
            endpoint: control endpoint of the daemon, tcp or ipc.
            pubsub_endpoint: its event endpoint.
            check_delay: seconds between two checks of the daemon.
            ssh_server: reach both endpoints through this host, `user@host:port`.
            config: options of the plugin.

        Raises:
            ValueError: `active` is neither true nor false.
        """
        self.endpoint = endpoint
        self.pubsub_endpoint = pubsub_endpoint
        self.check_delay = check_delay
        self.ssh_server = ssh_server
        self.config = config
        self.active = _to_bool("active", config.get("active", True))
        self.running = False
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._control: _Control | None = None
        self._thread: int | None = None
        self._is_ending = False

    # -- to override ---------------------------------------------------------------------------------------

    def handle_init(self) -> None:
        """Get ready: connected, `loop` current but not running yet; call, cast and PeriodicCallback work."""

    def handle_recv(self, data: list[bytes]) -> None:
        """Take one event: [topic, message]. An exception is logged, and the next event is delivered."""
        raise NotImplementedError(f"{type(self).__name__} must have a method handle_recv")

    def handle_stop(self) -> None:
        """Clean up, on SIGINT and SIGTERM; call and cast still work. Not called if handle_init raised."""

    # -- to use --------------------------------------------------------------------------------------------

    @cached_property
    def loop(self) -> IOLoop:
        """The loop of this plugin; what handle_init creates uses it without being told."""
        loop: IOLoop = AsyncIOLoop(make_current=False)
        return loop

    def call(self, command: str, **props: Any) -> dict[str, Any]:
        """Ask the daemon and wait for its reply, for `call_timeout` seconds. From any thread.

        Returns:
            The reply, whose `status` is "error" if the daemon refused, with the `reason`.

        Raises:
            CallError: not connected, or the request can't be written as JSON.
            CallTimeoutError: no reply in time. The command may still be carried out.
        """
        return self._connected().call(command, props, timeout=self.call_timeout)

    def cast(self, command: str, **props: Any) -> None:
        """Ask the daemon without learning what came of it. From any thread.

        Raises:
            CallError: as `call`.
            CallTimeoutError: the daemon could not be reached within `call_timeout` seconds.
        """
        self._connected().cast(command, props, timeout=self.call_timeout)

    def watcher_names(self) -> dict[str, list[str]]:
        """Return the names of all watchers by their form in events; raises as `call`.

        Events have names in lower case with `_` for blanks, commands need them as configured. Two watchers
        can share one form.
        """
        names: dict[str, list[str]] = {}
        for name in self.call("status").get("statuses", {}):
            names.setdefault(event_name(name), []).append(name)
        return names

    @staticmethod
    def split_data(data: list[bytes]) -> tuple[str, str, bytes]:
        """Return an event's watcher (in the form of events), its action, and the message still as JSON."""
        topic, message = data
        watcher, _, action = topic.removeprefix(_TOPICS).decode().rpartition(".")
        return watcher, action, message

    @staticmethod
    def load_message(message: bytes | str) -> dict[str, Any]:
        """Return the message of an event as a mapping."""
        loaded: dict[str, Any] = json.loads(message)
        return loaded

    # -- life ----------------------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Connect to both endpoints; a daemon that is not there yet is connected to when it comes."""
        self._context = zmq.Context()
        events = self._context.socket(zmq.SUB)
        events.setsockopt(zmq.LINGER, 0)
        events.setsockopt(zmq.RCVHWM, _EVENTS_WAITING)
        events.subscribe(_TOPICS)
        _connect(events, self.pubsub_endpoint, self.ssh_server)
        self._listen(events)
        control = self._context.socket(zmq.DEALER)
        # A request is not kept for a daemon that is away: what was meant for now must not be done then.
        control.setsockopt(zmq.IMMEDIATE, 1)
        control.setsockopt(zmq.LINGER, _LAST_WORDS)
        _connect(control, self.endpoint, self.ssh_server)
        self._control = _Control(control, self.endpoint)

    def start(self) -> None:
        """Run until `stop`; blocks. The plugin can't be started again.

        Raises:
            ValueError: the plugin is inactive.
        """
        if not self.active:
            raise ValueError("Will not start an inactive plugin")
        self._thread = threading.get_ident()
        asyncio.set_event_loop(_asyncio_loop(self.loop))
        try:
            self.initialize()
            self.handle_init()
            self.running = True
            if not self._is_ending:
                self.loop.start()
        finally:
            self._end()
            self._close()

    def stop(self) -> None:
        """Call handle_stop and let `start` return. From any thread; handle_stop runs in that of `start`."""
        if self._thread not in (None, threading.get_ident()):
            self.loop.add_callback(self.stop)
            return
        self._end()
        if self._thread is not None and _asyncio_loop(self.loop).is_running():
            self.loop.stop()

    def _end(self) -> None:
        self._is_ending = True
        if not self.running:
            return
        self.running = False
        try:
            self.handle_stop()
        except Exception:
            _logger.exception("handle_stop of %s failed", self._label())

    def _listen(self, events: zmq.Socket[bytes]) -> None:
        def deliver_waiting(*_event: object) -> None:
            for _ in range(_EVENTS_PER_TURN):
                if not self.running:
                    return
                try:
                    data = events.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    return
                self._deliver(data)
            self.loop.add_callback(deliver_waiting)

        # Its descriptor says that something may have changed, not that there is a message (zmq_getsockopt(3),
        # ZMQ_FD): read until nothing is left, or come back without waiting for it.
        self.loop.add_handler(events.fileno(), deliver_waiting, IOLoop.READ)
        self.loop.add_callback(deliver_waiting)

    def _deliver(self, data: list[bytes]) -> None:
        try:
            self.handle_recv(data)
        except CircusError as error:
            _logger.error("%s: %s", self._label(), error)
        except Exception:
            _logger.exception("handle_recv of %s failed on %r", self._label(), data)

    def _label(self) -> str:
        return f"plugin {self.config.get('name') or self.name or type(self).__name__!r}"

    def _connected(self) -> _Control:
        if self._control is None:
            raise CallError("the plugin is not connected; call and cast work from handle_init to handle_stop")
        return self._control

    def _close(self) -> None:
        """Give back sockets and loop, after cancelling what still runs on it."""
        _finish_tasks(_asyncio_loop(self.loop))
        asyncio.set_event_loop(None)
        self.loop.close()
        if self._control is not None:
            self._control.close()
        if self._context is not None:
            self._context.destroy()


class _Control:
    """The control channel: requests of all threads of the plugin, one after the other."""

    def __init__(self, socket: zmq.Socket[bytes], endpoint: str) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._turn = threading.Lock()

    def call(self, command: str, props: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
        request_id = uuid.uuid4().hex
        deadline = time.monotonic() + timeout
        with self._turn:
            self._send(encode_request(command, props, request_id=request_id), deadline)
            while self._is_ready(zmq.POLLIN, deadline):
                reply = decode_reply(self._socket.recv())
                if reply.get("id") == request_id:  # another id: the late reply to a call that was given up
                    return reply
        raise CallTimeoutError(f"no reply to '{command}' from {self._endpoint} within {timeout:g} s")

    def cast(self, command: str, props: Mapping[str, Any], *, timeout: float) -> None:
        with self._turn:
            self._send(encode_request(command, props, is_cast=True), time.monotonic() + timeout)

    def close(self) -> None:
        """Wait for the request of another thread, then refuse all further ones."""
        with self._turn:
            self._socket.close()

    def _send(self, request: bytes, deadline: float) -> None:
        if self._socket.closed:
            raise CallError("the plugin has ended")
        if not self._is_ready(zmq.POLLOUT, deadline):
            raise CallTimeoutError(f"can't reach the daemon at {self._endpoint}")
        self._socket.send(request)

    def _is_ready(self, direction: int, deadline: float) -> bool:
        left = max(0.0, deadline - time.monotonic())
        return bool(self._socket.poll(int(left * 1000), direction))


def _connect(socket: zmq.Socket[bytes], endpoint: str, ssh_server: str | None) -> None:
    secure(socket, endpoint, is_tunnelled=ssh_server is not None)
    try:
        if ssh_server is None:
            socket.connect(endpoint)
            return
    except zmq.ZMQError as error:
        raise CallError(f"endpoint must be tcp://HOST:PORT or ipc://PATH, got {endpoint!r}") from error
    from zmq.ssh.tunnel import tunnel_connection  # starts ssh; only who asks for it pays for the import

    tunnel_connection(socket, endpoint, ssh_server)  # type: ignore[call-overload]  # it wants a zmq socket


def _to_bool(option: str, value: Any) -> bool:
    try:
        return bool(BOOL.parse(value))
    except ValueError:
        raise ValueError(f"{option} must be {BOOL.accepts}, got {value!r}") from None


def _asyncio_loop(loop: IOLoop) -> asyncio.AbstractEventLoop:
    asyncio_loop: asyncio.AbstractEventLoop = loop.asyncio_loop  # type: ignore[attr-defined]  # every IOLoop has it
    return asyncio_loop


def _finish_tasks(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
