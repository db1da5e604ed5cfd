"""CircusPlugin: the base class of a program that listens to what happens and may ask for more to happen."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from circus_core.clients.asking import ReceivedEvent
from circus_core.config.units import BOOL
from circus_core.errors import CallError, CircusError
from circus_core.events import event_name
from circus_core.plugin.link import TOPICS, Arrival, Gap, Link

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

__all__ = ["CircusPlugin", "explain", "explains_itself"]

_logger = logging.getLogger("circus")

_EVENTS_PER_TURN: Final = 100
"""Events delivered before timers and other callbacks of the plugin get their turn."""

_KINDS: Final = 100
"""Kinds of failures that are told apart; what is beyond counts as one more kind."""


class CircusPlugin:
    """Base class of plugins. Override handle_event or handle_recv, and handle_init and handle_stop as needed.

    Life: constructor, connected, handle_init, one of handle_event and handle_recv for each event,
    handle_stop. All of them run in one thread, that of `start`, and each may be `async def`: one event is
    finished before the next one comes. Plugins written for Circus 0.19 run unchanged.

    A plugin does not know where it runs: in a process of its own, or in a thread of circusd.

    Attributes:
        name: class attribute, a short name; prefix of the plugin's options in the sections of watchers.
        call_timeout: class attribute, seconds that `call` waits for the reply.
        stop_timeout: class attribute, seconds from a signal to the end of a process of the plugin's own; a
            handle_stop that has not returned by then is not waited for.
        config: the keywords; text where they come from a file. `name` is `plugin:NAME` in a daemon's plugin.
        active: False if the configuration says `active = False`; such a plugin does not start.
        running: True from the end of handle_init to the beginning of handle_stop.
        failures: how often a handler has raised.
    """

    name: str = ""
    call_timeout: float = 5.0
    stop_timeout: float = 6.0
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
        self._link: Link | None = None
        self._life = _Life()
        self._troubles: Counter[tuple[str, ...]] = Counter()
        self._handling: asyncio.Task[None] | None = None  # an event whose handler is a coroutine
        self._thread: int | None = None
        self._is_ending = False
        self._is_lost = False

    # -- to override ---------------------------------------------------------------------------------------

    def handle_init(self) -> Awaitable[None] | None:
        """Get ready: connected, `loop` current but not running yet; call, cast and PeriodicCallback work."""
        return None

    def handle_event(self, event: ReceivedEvent) -> Awaitable[None] | None:
        """Take one event. An exception is logged, and the next event is delivered."""
        raise NotImplementedError

    def handle_recv(self, data: list[bytes]) -> Awaitable[None] | None:
        """Take one event as it is on the wire, [topic, message]; not called if there is a handle_event."""
        raise NotImplementedError(f"{type(self).__name__} must have a method handle_recv or handle_event")

    def handle_gap(self, count: int) -> Awaitable[None] | None:
        """Events were dropped because this plugin, or another subscriber, did not keep up: look anew.

        Args:
            count: how many; in a process of its own, of all subscribers together.
        """
        return None

    def handle_stop(self) -> Awaitable[None] | None:
        """Clean up, on SIGINT and SIGTERM; call and cast still work. Not called if handle_init raised."""
        return None

    # -- to use --------------------------------------------------------------------------------------------

    @cached_property
    def asyncio_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of this plugin; what handle_init creates uses it without being told."""
        return asyncio.new_event_loop()

    @cached_property
    def loop(self) -> IOLoop:
        """The same loop as tornado shows it; who does not ask for it does not pay for tornado (1 MiB)."""
        from tornado.ioloop import IOLoop
        from tornado.platform.asyncio import AsyncIOLoop

        try:
            loop: IOLoop = AsyncIOLoop(make_current=False, asyncio_loop=self.asyncio_loop)
        except RuntimeError:  # a handler has had it shown by IOLoop.current() already
            loop = IOLoop.current()
        return loop

    @property
    def failures(self) -> int:
        """How often a handler has raised."""
        return self._troubles.total()

    def call(self, command: str, **props: Any) -> dict[str, Any]:
        """Ask the daemon and wait for its reply, for `call_timeout` seconds. From any thread.

        Returns:
            The reply, whose `status` is "error" if the daemon refused, with the `reason`.

        Raises:
            CallError: not connected, or the request can't be written as JSON.
            CallTimeoutError: no reply in time. The command may still be carried out.
            ConnectionLostError: the daemon ended before its reply. The command may have been carried out.
        """
        return self._connected().call(command, props, timeout=self.call_timeout)

    async def ask(self, command: str, **props: Any) -> dict[str, Any]:
        """Do as `call`, and let the loop of the plugin run meanwhile; for `async def` handlers."""
        return await asyncio.to_thread(lambda: self.call(command, **props))

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
        watcher, _, action = topic.removeprefix(TOPICS.encode()).decode().rpartition(".")
        return watcher, action, message

    @staticmethod
    def load_message(message: bytes | str) -> dict[str, Any]:
        """Return the message of an event as a mapping."""
        loaded: dict[str, Any] = json.loads(message)
        return loaded

    # -- life ----------------------------------------------------------------------------------------------

    def attach(
        self,
        link: Link | None = None,
        *,
        show_life: Callable[[bool], object] | None = None,
        every: float = 0.0,
    ) -> None:
        """Be hosted by somebody. To be called before `start`.

        Args:
            link: the connection to use, instead of one to the endpoints.
            show_life: called in the plugin's thread when its loop begins to run, with True once no event can
                be missed any more, and again every so often while the loop turns.
            every: seconds between two of these calls; 0: not again.
        """
        self._link = link
        self._life = _Life(show_life, every)

    def initialize(self) -> None:
        """Connect to both endpoints; a daemon that is not there yet is connected to when it comes."""
        if self._link is None:
            from circus_core.plugin.socket_link import SocketLink  # a plugin in the daemon has another one

            self._link = SocketLink(self.endpoint, self.pubsub_endpoint, ssh_server=self.ssh_server)

    def start(self) -> None:
        """Run until `stop`; blocks. The plugin can't be started again.

        Raises:
            ValueError: the plugin is inactive.
            CallError: the daemon can't be reached: there is no login at ssh_server, or it has ended.
        """
        if not self.active:
            self._close_loop()
            raise ValueError("Will not start an inactive plugin")
        asyncio.set_event_loop(self.asyncio_loop)
        if "tornado" in sys.modules:
            self.loop  # noqa: B018  the one that IOLoop.current() finds
        self._thread = threading.get_ident()
        try:
            self.initialize()
            self._finish(self.handle_init())
            self.running = True
            if not self._is_ending:
                self._begin()
                self.asyncio_loop.run_forever()
        finally:
            self._end()
            self._close()
        if self._is_lost:
            raise CallError(f"the login at {self.ssh_server} has ended")

    def stop(self) -> None:
        """Call handle_stop and let `start` return. From any thread; handle_stop runs in that of `start`."""
        self._is_ending = True  # before the look at the thread: one that begins meanwhile sees it
        if self._thread not in (None, threading.get_ident()):
            with suppress(RuntimeError):  # it has ended by itself
                self.asyncio_loop.call_soon_threadsafe(self.stop)
            return
        if self.running and self.asyncio_loop.is_running():
            if not inspect.iscoroutinefunction(self.handle_stop):  # that has to wait until nothing else runs
                self._end()
            self.asyncio_loop.stop()

    def _begin(self) -> None:
        loop = self.asyncio_loop
        link = self._connected()
        link.listen(loop, self._deliver_waiting)
        link.when_lost(self._lost)
        if self._life.show is not None:
            loop.call_soon(self._life.go_on, loop)
            link.when_connected(self._life.ready)

    def _lost(self) -> None:
        self._is_lost = True
        self.stop()

    def _end(self) -> None:
        self._is_ending = True
        if not self.running:
            return
        self.running = False
        try:
            self._finish(self.handle_stop())
        except Exception:
            _logger.exception("handle_stop of %s failed", self._label())

    def _finish(self, result: object) -> None:
        """Let a handler that is a coroutine come to its end, while the loop does not run by itself."""
        if inspect.isawaitable(result):
            self.asyncio_loop.run_until_complete(_awaited(result))

    # -- events --------------------------------------------------------------------------------------------

    def _deliver_waiting(self) -> None:
        link = self._connected()
        for _ in range(_EVENTS_PER_TURN):
            if not self.running or self._handling is not None:
                return
            arrival = link.receive()
            if arrival is None:
                return
            self._deliver(arrival)
        self.asyncio_loop.call_soon(self._deliver_waiting)

    def _deliver(self, arrival: Arrival | Gap) -> None:
        result: object = None
        try:
            result = self._handle(arrival)
        except Exception as error:  # noqa: BLE001  handlers come from anybody
            self._failed(error, arrival)
        if inspect.isawaitable(result):
            self._connected().pause()
            self._handling = self.asyncio_loop.create_task(self._handle_later(result, arrival))

    def _handle(self, arrival: Arrival | Gap) -> object:
        if isinstance(arrival, Gap):
            return self.handle_gap(arrival.count)
        if type(self).handle_event is not CircusPlugin.handle_event:
            return self.handle_event(arrival.event())
        return self.handle_recv(arrival.frames())

    async def _handle_later(self, result: Awaitable[object], arrival: Arrival | Gap) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001
            self._failed(error, arrival)
        self._handling = None
        self._connected().listen(asyncio.get_running_loop(), self._deliver_waiting)

    def _failed(self, error: Exception, arrival: Arrival | Gap) -> None:
        """Tell of each kind of failure once, then of the tenth, the hundredth and so on."""
        kind = _kind(error)
        if kind not in self._troubles and len(self._troubles) >= _KINDS:
            kind = ("others",)
        self._troubles[kind] += 1
        times = self._troubles[kind]
        if times == 1 and isinstance(error, CircusError):
            _logger.error("%s: %s", self._label(), error)
        elif times == 1:
            what = arrival if isinstance(arrival, Gap) else arrival.frames()
            _logger.error("a handler of %s failed on %r", self._label(), what, exc_info=error)
        elif str(times).strip("0") == "1":
            _logger.error(
                "a handler of %s failed %d times like this: %s: %s",
                self._label(),
                times,
                type(error).__name__,
                error,
            )

    def _label(self) -> str:
        return f"plugin {self.config.get('name') or self.name or type(self).__name__!r}"

    def _connected(self) -> Link:
        if self._link is None:
            raise CallError("the plugin is not connected; call and cast work from handle_init to handle_stop")
        return self._link

    def _close(self) -> None:
        """Give back connection and loop, after cancelling what still runs on it."""
        _finish_tasks(self.asyncio_loop)
        asyncio.set_event_loop(None)
        if self._link is not None:
            self._link.close()
        self._close_loop()

    def _close_loop(self) -> None:
        if "loop" in vars(self):
            self.loop.close()  # and with it the other
        self.asyncio_loop.close()


class _Life:
    """What a plugin shows to who hosts it."""

    def __init__(self, show: Callable[[bool], object] | None = None, every: float = 0.0) -> None:
        self.show = show
        self._every = every

    def go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Show that the loop turns, now and again later."""
        if self.show is not None:
            self.show(False)
            if self._every > 0:
                loop.call_later(self._every, self.go_on, loop)

    def ready(self) -> None:
        """Show that no event can be missed any more."""
        if self.show is not None:
            self.show(True)


async def _awaited(result: Awaitable[object]) -> None:
    await result


def _kind(error: Exception) -> tuple[str, ...]:
    """What it is and where it came from; for what explains itself, what it says."""
    if isinstance(error, CircusError):
        return (type(error).__name__, str(error))
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return (type(error).__name__, *(f"{frame.filename}:{frame.lineno}" for frame in frames))


def explains_itself(error: Exception) -> bool:
    """Tell whether an error was raised on purpose, with a text for people."""
    return isinstance(error, (CircusError, ValueError, NotImplementedError)) and bool(str(error))


def explain(error: Exception) -> str:
    """Say why a plugin can't run."""
    return str(error) if explains_itself(error) else f"the plugin failed: {type(error).__name__}: {error}"


def _to_bool(option: str, value: Any) -> bool:
    try:
        return bool(BOOL.parse(value))
    except ValueError:
        raise ValueError(f"{option} must be {BOOL.accepts}, got {value!r}") from None


def _finish_tasks(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
