"""Plugins inside circusd: the driver of their watchers, which runs each in a thread with a loop of its own.

A thread can't be killed. One that does not end in time is cut off: it hears nothing more, its requests are
refused, an exception is raised in it as soon as it runs Python code, and its end is reported. While it goes
on all the same, the plugin is not started again.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any, Final

from circus_core import events, wire
from circus_core.access.identity import Identity
from circus_core.backends import ExitCallback, SpawnRequest
from circus_core.clients.asking import ReceivedEvent
from circus_core.clock import Clock
from circus_core.config.model import ArbiterConfig
from circus_core.control.dispatch import Dispatcher
from circus_core.errors import CallError, CallTimeoutError, SpawnError
from circus_core.plugin.base import CircusPlugin, explain, explains_itself
from circus_core.plugin.lifesign import SIGNS_PER_TIMEOUT, Vigil
from circus_core.plugin.link import TOPICS, Arrival, Gap
from circus_core.plugin_watcher import CONFIG_VARIABLE, HANG_VARIABLE, watcher_of
from circus_core.process_info import NO_PROCESS
from circus_core.records import dataclass

__all__ = ["PluginThreads"]

log = logging.getLogger("circus")

_EVENTS_WAITING: Final = 10_000
"""Events kept for a plugin that is busy."""

_REQUESTS: Final = 32
"""Requests of one plugin at a time; who casts more has to wait."""

_LOADING: Final = 5.0
"""Seconds that a plugin waits for another one to be imported."""

_LAST_BREATH: Final = 1.0
"""Seconds that a thread which was cut off gets to end."""

_LINES: Final = 8
"""How many of its calls are shown of a thread that hangs, the last ones."""

_NO_END: Final = frozenset(
    {
        *(signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
        *(signal.SIGURG, signal.SIGWINCH),
    }
)
"""Signals that do not end a process by themselves: signal(7)."""


class PluginThreads:
    """A backend whose processes are threads. Belongs to the loop's thread."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        load: Callable[[str], type[CircusPlugin]],
        config: Callable[[], ArbiterConfig],
        listeners: list[events.Publish],
        publish: events.Publish,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        """Args:
        load: finds a plugin class; raises DriverError.
        config: returns the section [circus] that is in force.
        listeners: who is told of events.
        dispatcher: carries out requests; given up with this.
        """
        self._loop = loop
        self._load = load
        self._config = config
        self._listeners = listeners
        self._publish = publish
        self._dispatcher = dispatcher
        self._clock = clock
        self._numbers = count(NO_PROCESS + 1)
        self._loading = threading.Lock()
        self._threads: dict[str, _PluginThread] = {}  # by watcher; also those that were cut off

    def spawn(self, request: SpawnRequest, on_exit: ExitCallback | None) -> _PluginThread:
        """Start the plugin named by the command, in a new thread.

        Raises:
            SpawnError: the thread of its last life goes on, or the system gives no thread.
        """
        watcher = watcher_of(request)
        last = self._threads.get(watcher)
        if last is not None and last.goes_on:
            raise SpawnError("the thread of its last life does not end; only a restart of circusd can help")
        timeout = float(request.env.get(HANG_VARIABLE) or 0)
        link = DaemonLink(watcher, loop=self._loop, dispatcher=self._dispatcher)
        child = _PluginThread(
            next(self._numbers),
            watcher,
            link=link,
            loop=self._loop,
            make=lambda: self._make(request),
            on_exit=lambda code: self._ended(link, on_exit, code),
            every=timeout / SIGNS_PER_TIMEOUT,
            on_ready=lambda: self._announce(events.Ready, watcher, child),
        )
        self._listeners.append(link.offer)
        try:
            child.start()
        except RuntimeError as error:
            self._listeners.remove(link.offer)
            raise SpawnError(f"no thread can be started: {error}", shortage=True) from error
        if timeout > 0:
            child.watch(timeout, lambda silent: self._hung(child, silent))
        self._threads[watcher] = child
        return child

    def reap_orphans(self) -> None:
        """Nothing to do: threads leave none."""

    def close(self) -> None:
        """Cut off what still runs."""
        for child in self._threads.values():
            child.cut_off()
        self._dispatcher.give_up()

    def _make(self, request: SpawnRequest) -> CircusPlugin:
        """Import and make the plugin, in its thread."""
        config = self._config()
        keywords: dict[str, Any] = json.loads(request.env[CONFIG_VARIABLE])
        plugin_class = self._load_in_turn(request.argv[0])
        return plugin_class(config.endpoint, config.pubsub_endpoint, config.check_delay, None, **keywords)

    def _load_in_turn(self, name: str) -> type[CircusPlugin]:
        """Import a plugin when no other one is being imported.

        Of two threads that import two modules of a package which imports both, one is told that there is a
        deadlock, and its import fails. One that never comes to its end is not waited for.
        """
        is_mine = self._loading.acquire(timeout=_LOADING)
        try:
            return self._load(name)
        finally:
            if is_mine:
                self._loading.release()

    def _ended(self, link: DaemonLink, on_exit: ExitCallback | None, code: int) -> None:
        link.detach()
        if link.offer in self._listeners:
            self._listeners.remove(link.offer)
        if on_exit is not None:
            on_exit(code)

    def _hung(self, child: _PluginThread, silent: float) -> None:
        reason = f"no sign of life for {silent:.1f} s"
        log.error("%s hangs: %s; it is cut off. It was here:\n%s", child.watcher, reason, child.where())
        self._announce(events.Hung, child.watcher, child, silent=silent, reason=reason)
        child.send_signal(signal.SIGKILL)

    def _announce(
        self, kind: type[events.Event], watcher: str, child: _PluginThread, **payload: object
    ) -> None:
        told: dict[str, object] = {"watcher": watcher, "time": self._clock.wall(), "process_pid": child.pid}
        self._publish(kind(**told, **payload))  # type: ignore[arg-type]  # each kind has these


class _CutOffError(SystemExit):
    """Raised in the thread of a plugin that is to end at once; loops let a SystemExit through."""


class _PluginThread:
    """One life of a plugin; a `Child`. `pid` is a number that no process has."""

    def __init__(
        self,
        number: int,
        watcher: str,
        *,
        link: DaemonLink,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], CircusPlugin],
        on_exit: Callable[[int], None],
        every: float,
        on_ready: Callable[[], object],
    ) -> None:
        self.watcher = watcher
        self._number = number
        self._link = link
        self._loop = loop
        self._make = make
        self._on_exit = on_exit
        self._every = every
        self._on_ready = on_ready
        self.has_come_up = False
        self._returncode: int | None = None
        self._plugin: CircusPlugin | None = None
        self._is_told_to_end = False
        self._is_cut_off = False
        self._has_left = False
        self._vigil: Vigil | None = None
        self._lock = threading.Lock()  # between the making of the plugin and the stop of it
        self._thread = threading.Thread(target=self._run, name=watcher, daemon=True)

    # of the loop

    def start(self) -> None:
        self._thread.start()

    def watch(self, timeout: float, on_silence: Callable[[float], object]) -> None:
        """Expect signs of life from now on."""
        self._vigil = Vigil(self._loop, timeout=timeout, on_silence=on_silence)

    @property
    def goes_on(self) -> bool:
        """The thread still runs code of the plugin."""
        return not self._has_left and self._thread.is_alive()  # what cuts it off may hit its last lines

    def where(self) -> str:
        """Return the lines of code that the thread is at."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return (
            "".join(traceback.format_stack(frame)[-_LINES:]).rstrip()
            if frame is not None
            else "(it has ended)"
        )

    @property
    def pid(self) -> int:
        return self._number

    @property
    def returncode(self) -> int | None:
        return self._returncode

    def poll(self) -> int | None:
        return self._returncode

    def wait(self, timeout: float | None = None) -> int | None:
        self._thread.join(timeout)
        return self._returncode

    def send_signal(self, signum: int) -> bool:
        """End it, if the signal would end a process: in an orderly way, or with SIGKILL at once."""
        if self._returncode is not None:
            return False
        if signum == signal.SIGKILL:
            with suppress(RuntimeError):  # the daemon has ended
                self._loop.call_soon_threadsafe(self.cut_off)
        elif signum not in _NO_END and signum != 0:
            self._stop()
        return True

    def send_signal_group(self, signum: int) -> bool:
        return self.send_signal(signum)

    def cut_off(self) -> None:
        """End it whatever it does."""
        if self._returncode is not None or self._is_cut_off:
            return
        self._is_cut_off = True
        self._link.detach()
        self._link.give_up()
        if self._plugin is not None:
            self._plugin.running = False  # no handle_stop: a killed process does not run it either
            loop = self._plugin.asyncio_loop
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(loop.stop)
        _raise_in(self._thread)
        if self._loop.is_running():
            self._loop.call_later(_LAST_BREATH, self._give_up)

    def _give_up(self) -> None:
        if self._returncode is None:
            log.error("%s: its thread goes on, nobody can end it:\n%s", self.watcher, self.where())
            self._report(-signal.SIGKILL)

    def _report(self, code: int) -> None:
        if self._returncode is not None:
            return
        self._returncode = -signal.SIGKILL if self._is_cut_off else code
        if self._vigil is not None:
            self._vigil.end()
        self._on_exit(self._returncode)

    def _stop(self) -> None:
        with self._lock:
            self._is_told_to_end = True
            plugin = self._plugin
        if plugin is not None:
            plugin.stop()

    def _signed(self, is_ready: bool) -> None:
        if self._vigil is not None:
            self._vigil.sign()
        if is_ready and self._returncode is None:
            self.has_come_up = True
            self._on_ready()

    # of the thread

    def _run(self) -> None:
        code = 1
        try:
            code = self._live()
        except _CutOffError:
            log.info("%s was cut off", self.watcher)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except Exception as error:
            where = "" if explains_itself(error) else "; loglevel = debug shows where"
            log.error("%s: %s%s", self.watcher, explain(error), where)
            log.debug("where it happened:", exc_info=True)
        finally:
            self._has_left = True
            with suppress(RuntimeError):  # the daemon has ended
                self._loop.call_soon_threadsafe(self._report, code)

    def _live(self) -> int:
        log.info("Loading %s...", self.watcher)
        plugin = self._make()
        plugin.attach(self._link, show_life=self._show_life, every=self._every)
        loop = plugin.asyncio_loop  # made here: only this thread may make it
        with self._lock:
            self._plugin = plugin
        if self._is_told_to_end or self._is_cut_off:
            loop.close()
            return 0
        plugin.start()
        return 0

    def _show_life(self, is_ready: bool) -> None:
        with suppress(RuntimeError):  # the daemon has ended
            self._loop.call_soon_threadsafe(self._signed, is_ready)


class DaemonLink:
    """A plugin's connection to the daemon that it runs in. See `Link` for what the plugin's thread uses."""

    def __init__(self, watcher: str, *, loop: asyncio.AbstractEventLoop, dispatcher: Dispatcher) -> None:
        self._identity = Identity(role="full", transport="daemon", name=watcher)
        self._loop = loop
        self._dispatcher = dispatcher
        self._room = threading.BoundedSemaphore(_REQUESTS)
        self._requests: set[asyncio.Task[bytes | None]] = set()
        self._waiting: deque[events.Event] = deque()
        self._dropped = 0  # written by the daemon's thread only
        self._dropped_told = 0  # written by the plugin's thread only
        self._is_called = False  # heard() is due already
        self._heard: tuple[asyncio.AbstractEventLoop, Callable[[], None]] | None = None
        self._is_detached = False

    # of the daemon's loop

    def offer(self, event: events.Event) -> None:
        """Queue an event; costs the same whatever the plugin does."""
        if self._is_detached or not event.topic.startswith(TOPICS):
            return
        if len(self._waiting) >= _EVENTS_WAITING or self._dropped != self._dropped_told:
            self._dropped += 1  # until what came before the gap has been taken, and the gap been told
            return
        self._waiting.append(event)
        self._call()

    def detach(self) -> None:
        """Hear and say nothing more."""
        self._is_detached = True
        self._waiting.clear()
        self._heard = None

    def give_up(self) -> None:
        """Carry out nothing more."""
        for task in self._requests:
            task.cancel()

    # of the plugin

    def call(self, command: str, props: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
        try:
            reply = self._submit(wire.encode_request(command, props), timeout).result(timeout)
        except TimeoutError:
            raise CallTimeoutError(f"no reply to '{command}' from circusd within {timeout:g} s") from None
        if reply is None:
            raise CallError("circusd ends")
        return wire.decode_reply(reply)

    def cast(self, command: str, props: Mapping[str, Any], *, timeout: float) -> None:
        self._submit(wire.encode_request(command, props, is_cast=True), timeout)

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[], None]) -> None:
        self._heard = None if self._is_detached else (loop, heard)
        loop.call_soon(heard)

    def pause(self) -> None:
        self._heard = None

    def when_connected(self, then: Callable[[], None]) -> None:
        if self._heard is not None:
            self._heard[0].call_soon(then)

    def when_lost(self, then: Callable[[], None]) -> None:
        pass  # the daemon is around us

    def receive(self) -> Arrival | Gap | None:
        self._is_called = False  # before the look: what comes after it calls again
        try:
            return _Published(self._waiting.popleft())
        except IndexError:
            pass
        dropped = self._dropped
        if dropped == self._dropped_told:
            return None
        lost, self._dropped_told = dropped - self._dropped_told, dropped
        return Gap(lost)

    def close(self) -> None:
        self._is_detached = True

    def _call(self) -> None:
        heard = self._heard
        if heard is None or self._is_called:
            return
        self._is_called = True
        with suppress(RuntimeError):  # the plugin has ended
            heard[0].call_soon_threadsafe(heard[1])

    def _submit(self, body: bytes, timeout: float) -> Future[bytes | None]:
        if self._is_detached:
            raise CallError("the plugin has ended")
        if not self._room.acquire(timeout=timeout):
            raise CallTimeoutError(f"circusd has not carried out {_REQUESTS} requests within {timeout:g} s")
        outcome: Future[bytes | None] = Future()
        try:
            self._loop.call_soon_threadsafe(self._begin, body, outcome)
        except RuntimeError:
            self._room.release()
            raise CallError("circusd ends") from None
        return outcome

    def _begin(self, body: bytes, outcome: Future[bytes | None]) -> None:
        answer = self._dispatcher.answer(self._identity, body)
        task = self._loop.create_task(answer, name=f"request of {self._identity.name}")
        self._requests.add(task)
        task.add_done_callback(lambda done: self._answered(done, outcome))

    def _answered(self, task: asyncio.Task[bytes | None], outcome: Future[bytes | None]) -> None:
        """Also if it was given up before its first step, which no `finally` in it would see."""
        self._requests.discard(task)
        self._room.release()
        outcome.set_result(None if task.cancelled() else task.result())


@dataclass(frozen=True, slots=True)
class _Published:
    """An event as it was published."""

    published: events.Event

    def frames(self) -> list[bytes]:
        return wire.encode_event(self.published.topic, self.published.payload())

    def event(self) -> ReceivedEvent:
        return ReceivedEvent(self.published.topic, self.published.payload())


def _raise_in(thread: threading.Thread) -> None:
    """Raise an exception in a thread as soon as it runs Python code; what blocks in the system goes on."""
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(_CutOffError)
        )
