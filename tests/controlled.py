"""An arbiter without processes and a controller that serves it, for tests of commands and wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from circus_core.clock import SystemClock
from circus_core.commands.command import Command
from circus_core.commands.target import ControlledWatcher, Entries
from circus_core.config.check import CheckReport
from circus_core.config.diff import ConfigPlan, diff
from circus_core.config.mappings import set_option, watcher_from_mapping
from circus_core.config.model import ArbiterConfig, Config, SocketConfig, WatcherConfig
from circus_core.config.problems import Level, Problem
from circus_core.control.controller import Controller
from circus_core.drivers import resolve_name
from circus_core.errors import AlreadyExistError, CircusError, UnknownCommandError, UnknownWatcherError
from circus_core.events import Event
from circus_core.hookspecs.verdict import ALLOWED, Verdict
from circus_core.output.tail import Tails
from circus_core.reconfigure import Outlook, Reload
from circus_core.states import ProcessState, WatcherState

ROOT = Path(__file__).parents[1]
MOST = 1000
"""Processes that a watcher comes up to: whoever wishes for a thousand millions does not get them."""

AN_INFO: Mapping[str, Any] = {
    "mem_info1": "1.48M",
    "mem_info2": "2.44M",
    "cpu": 0.0,
    "mem": 0.006,
    "ctime": "0:00.09",
    "pid": 0,
    "username": "root",
    "nice": 0,
    "create_time": 1795218253.61,
    "age": 2.3,
    "cmdline": "sleep",
    "children": [],
}

A_DESCRIPTION: Mapping[str, Any] = {
    "name": "",
    "state": "",
    "since": 1795218253.6,
    "reason": "",
    "cmd": "sleep 100",
    "args": "",
    "working_dir": None,
    "uid": None,
    "gid": None,
    "numprocesses": 1,
    "running": 0,
    "spawned": 0,
    "restarts": 0,
    "ended": 0,
    "failed_spawns": 0,
    "processes": [],
    "backoffs": [],
    "exits": [],
    "hooks": {},
    "sockets": [],
    "streams": {},
    "options": {},
}


@cache
def kernel_commands() -> dict[str, str]:
    """Return what pyproject.toml lists as commands: name -> module:class."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed: dict[str, str] = project["entry-points"]["circus.commands"]
    return listed


def find_command(name: str) -> Command[Any, Any]:
    """Find a command of the kernel, installed or not."""
    try:
        found: Command[Any, Any] = resolve_name(kernel_commands()[name])()
    except KeyError:
        raise UnknownCommandError(name) from None
    return found


@dataclass
class FakeProcess:
    pid: int
    wid: int
    state: ProcessState = ProcessState.RUNNING
    started: float = 1000.0

    def age(self) -> float:
        return 1.0


class FakeWatcher:
    """Does at once what it is told. `delay`, a future, is what every awaitable waits for."""

    def __init__(self, arbiter: FakeArbiter, config: WatcherConfig) -> None:
        self.arbiter = arbiter
        self.config = config
        self.reason = ""
        self.trouble = ""
        self.numprocesses = config.numprocesses
        self.state = WatcherState.STOPPED
        self.processes: dict[int, FakeProcess] = {}
        self.sent: list[tuple[Any, ...]] = []
        self.captured: frozenset[str] = frozenset(("stdout", "stderr"))
        self.tail = arbiter.tails.make(config.tail_bytes, 1.0)

    @property
    def name(self) -> str:
        return self.config.name

    def start(self) -> Awaitable[Mapping[str, Sequence[int]]]:
        before = set(self.processes)
        self.state = WatcherState.ACTIVE
        self._fill()
        after = set(self.processes)
        return self.arbiter.later({"started": sorted(after - before), "kept": sorted(after & before)})

    def stop(self, reason: str = "", /) -> Awaitable[None]:
        self.state = WatcherState.STOPPED
        self.processes.clear()
        return self.arbiter.later(None)

    def restart(self) -> Awaitable[Mapping[str, Sequence[int]]]:
        before = sorted(self.processes)
        self.processes.clear()
        self.state = WatcherState.ACTIVE
        self._fill()
        return self.arbiter.later({"stopped": before, "started": sorted(self.processes), "kept": []})

    def reload(
        self, *, graceful: bool = True, sequential: bool = False
    ) -> Awaitable[Mapping[str, Sequence[int]]]:
        self.sent.append(("reload", graceful, sequential))
        return self.restart()

    def incr(self, nb: int = 1, /) -> Awaitable[int]:
        return self.set_numprocesses(self.numprocesses + nb)

    def decr(self, nb: int = 1, /) -> Awaitable[int]:
        return self.set_numprocesses(self.numprocesses - nb)

    def set_numprocesses(self, number: int, /) -> Awaitable[int]:
        self.numprocesses = max(0, number)
        if self.state is WatcherState.ACTIVE:
            self._fill()
        return self.arbiter.later(self.numprocesses)

    def send_signal(self, pid: int, signum: int, /) -> None:
        self.sent.append(("signal", pid, signum))

    def send_signal_child(self, pid: int, child_pid: int, signum: int, /) -> None:
        self.sent.append(("child", pid, child_pid, signum))

    def kill(
        self, pid: int | None = None, signum: int | None = None, graceful_timeout: float | None = None, /
    ) -> Awaitable[None]:
        self.sent.append(("kill", pid, signum, graceful_timeout))
        return self.arbiter.later(None)

    @property
    def dropped_bytes(self) -> int:
        return self.arbiter.dropped.get(self.name, 0)

    def options(self) -> Mapping[str, Any]:
        return {
            "numprocesses": self.numprocesses,
            "cmd": self.config.cmd,
            "env": {"B": "2", "A": "1"},
            "gid": None,
        }

    def preview(self, options: Mapping[str, Any], /) -> WatcherConfig:
        config = self.config
        for key, value in options.items():
            config = set_option(config, key, value)
        return config

    def set_options(self, options: Mapping[str, Any], /) -> Awaitable[None]:
        self.preview(options)
        self.sent.append(("set", dict(options)))
        return self.arbiter.later(None)

    def _fill(self) -> None:
        while len(self.processes) < min(self.numprocesses, MOST):
            pid = self.arbiter.next_pid()
            self.processes[pid] = FakeProcess(pid, len(self.processes) + 1)
        while len(self.processes) > self.numprocesses:
            del self.processes[min(self.processes)]


class FakeSockets:
    def listing(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"fd": 8, "name": "web", "backlog": 2048, "host": "127.0.0.1", "port": 8000},
            {"fd": 7, "name": "ux", "backlog": 2048, "path": "/run/app/ux.sock"},
        ]


@dataclass
class FakeArbiter:
    """Attributes:
    told: what was asked of the arbiter as a whole.
    gate: if given, awaitables wait for it; set it from the test's thread with `Served.release`.
    failure: if given, awaitables raise it.
    refusal: what a reload of the configuration would be refused for.
    is_restarting: it ends to be made anew.
    ended: pids of processes that turn out to have ended when they are measured.
    dropped: bytes of output that were lost, by watcher.
    """

    config: ArbiterConfig = field(default_factory=ArbiterConfig)
    told: list[Any] = field(default_factory=list)
    gate: asyncio.Event | None = None
    failure: Exception | None = None
    refusal: str = ""
    is_restarting: bool = False
    ended: set[int] = field(default_factory=set)
    dropped: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.control: Controller | None = None
        self.sockets = FakeSockets()
        self.tails = Tails()
        self._watchers: dict[str, FakeWatcher] = {}
        self._last_pid = 100
        for name, number in (("Sleeper", 2), ("lazy", 1), ("web one", 1)):
            self.add_watcher(WatcherConfig(name=name, cmd="sleep 100", numprocesses=number))
        self._watchers["lazy"].config = replace(self._watchers["lazy"].config, autostart=False)
        for name in ("sleeper", "web one"):
            self._watchers[name].state = WatcherState.ACTIVE
            self._watchers[name]._fill()

    def publish(self, event: Event, /) -> None:
        if self.control is not None:
            self.control.publish(event)

    def next_pid(self) -> int:
        self._last_pid += 1
        return self._last_pid

    def later(self, result: Any) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self._settle(result))

    async def _settle(self, result: Any) -> Any:
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return result

    def iter_watchers(self) -> Iterable[FakeWatcher]:
        return list(self._watchers.values())

    def get_watcher(self, name: str, /) -> FakeWatcher:
        try:
            return self._watchers[name.lower()]
        except KeyError:
            raise UnknownWatcherError(name) from None

    def start_watchers(self, watchers: Sequence[ControlledWatcher] | None = None, /) -> Awaitable[object]:
        return self._tell("start", watchers)

    def stop_watchers(self, watchers: Sequence[ControlledWatcher] | None = None, /) -> Awaitable[object]:
        return self._tell("stop", watchers)

    def restart_watchers(self, watchers: Sequence[ControlledWatcher], /) -> Awaitable[object]:
        return self._tell("restart", watchers)

    def reload(
        self,
        *,
        graceful: bool = True,
        sequential: bool = False,
        watchers: Sequence[ControlledWatcher] | None = None,
    ) -> Awaitable[object]:
        if watchers is not None:
            return self._tell("reload", watchers)
        self.told.append(("reload", graceful, sequential))
        return self.later(None)

    async def measure(
        self, watchers: Sequence[ControlledWatcher], /, *, extended: bool = False
    ) -> Mapping[str, Entries]:
        more = {"hits": 7} if extended else {}
        return {
            watcher.name: {
                pid: None if pid in self.ended else {**AN_INFO, "pid": pid, **more, "wid": process.wid}
                for pid, process in watcher.processes.items()
            }
            for watcher in watchers
        }

    async def measure_daemon(self) -> Mapping[str, Any]:
        return {**AN_INFO, "pid": 4711, "cmdline": "python3"}

    async def signal_descendants(
        self, pids: Sequence[int], signum: int, /, *, recursive: bool = False
    ) -> None:
        for watcher in self._watchers.values():
            sent = [("children", pid, signum, recursive) for pid in pids if pid in watcher.processes]
            watcher.sent.extend(sent)

    async def import_hooks(self, config: WatcherConfig, anew: Collection[str] = (), /) -> None:
        self.told.append(("import", config.name, sorted(anew)))

    async def describe(self, watchers: Sequence[ControlledWatcher], /) -> Sequence[Mapping[str, Any]]:
        return [{**A_DESCRIPTION, "name": w.name, "state": w.state.value} for w in watchers]

    async def reopen_output(self, watchers: Sequence[ControlledWatcher] | None = None, /) -> None:
        await self._tell("reopen", watchers)

    def counters(self) -> Mapping[str, int]:
        return {"events_dropped": sum(self.dropped.values()), "requests_refused": 0}

    def request_stop(self) -> Awaitable[object]:
        self.told.append(("quit",))
        return self.later(None)

    async def prepare_restart(self) -> None:
        if self.failure is not None:
            raise self.failure

    def request_restart(self) -> Awaitable[object]:
        self.told.append(("restart all",))
        return self.later(None)

    async def plan_config(self) -> Outlook:
        return Outlook(plan=self._plan(), refusal=self.refusal, doubts=self._doubts())

    async def reload_config(self, *, force: bool = False) -> Reload:
        self.told.append(("reloadconfig", force))
        if self.failure is not None:
            raise self.failure
        return Reload(
            plan=self._plan(), doubts=self._doubts(), followed=self.later({"new": "no such program"})
        )

    async def check_file(self, path: str | None = None, /) -> CheckReport:
        return CheckReport(path=Path(path or "/etc/circus.ini"), config=None, problems=self._doubts())

    def _plan(self) -> ConfigPlan:
        socket = SocketConfig(name="web", port=8001)
        new = WatcherConfig(name="new", cmd="serve")
        return diff(Config(), Config(sockets=(socket,), watchers=(new,)))

    def _doubts(self) -> tuple[Problem, ...]:
        message = "nmprocesses is not an option"
        return (Problem(level=Level.DOUBT, message=message, file=Path("circus.ini"), line=3),)

    def new_section(self, values: Mapping[str, Any], /) -> WatcherConfig:
        return watcher_from_mapping(values, allow_unknown=False)

    def add_watcher(self, config: WatcherConfig, /) -> FakeWatcher:
        if config.name.lower() in self._watchers:
            raise AlreadyExistError(f"watcher '{config.name}' already exist")
        watcher = self._watchers[config.name.lower()] = FakeWatcher(self, config)
        return watcher

    def remove_watcher(self, watcher: ControlledWatcher, /, *, nostop: bool = False) -> Awaitable[object]:
        self.told.append(("rm", watcher.name, nostop))
        del self._watchers[watcher.name.lower()]
        return self.later(None)

    def _tell(self, word: str, watchers: Sequence[ControlledWatcher] | None) -> Awaitable[object]:
        self.told.append((word, None if watchers is None else [watcher.name for watcher in watchers]))
        return self.later(None)


class NoHooks:
    """Lets everything pass."""

    def find_command(self, name: str, /) -> None:
        return None

    async def authorize(
        self, identity: object, command: str, properties: Mapping[str, Any], access: str, /
    ) -> Verdict:
        return ALLOWED

    async def before_command(self, identity: object, command: str, properties: Mapping[str, Any], /) -> None:
        pass

    async def after_command(
        self, identity: object, command: str, properties: Mapping[str, Any], error: str, /
    ) -> None:
        pass


class Served:
    """A controller on a thread with a loop of its own. A context manager."""

    def __init__(
        self,
        endpoint: str = "tcp://127.0.0.1:*",
        pubsub_endpoint: str = "tcp://127.0.0.1:*",
        *,
        owner: str | None = None,
        config: ArbiterConfig | None = None,
        commands: Callable[[str], Command[Any, Any]] = find_command,
        hooks: Any = None,
    ) -> None:
        self._wanted = (endpoint, pubsub_endpoint)
        self._config = config or ArbiterConfig(endpoint_owner=owner)
        self._commands = commands
        self._hooks = hooks or NoHooks()
        self._ready = threading.Event()
        self._error: CircusError | None = None
        self._thread = threading.Thread(target=self._run)
        self.arbiter: FakeArbiter
        self.controller: Controller
        self.loop: asyncio.AbstractEventLoop

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(RuntimeError):  # the test has ended it, and its loop is closed
            self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def on_loop(self, function: Callable[[], Any]) -> Any:
        """Call a function on the loop and return its result."""

        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def hold(self) -> None:
        """Let awaitables of the arbiter wait from now on."""
        self.on_loop(lambda: setattr(self.arbiter, "gate", asyncio.Event()))

    def release(self) -> None:
        """Let those go on that wait."""

        def let_go() -> None:
            assert self.arbiter.gate is not None
            self.arbiter.gate.set()

        self.on_loop(let_go)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        endpoint, pubsub_endpoint = self._wanted
        config = replace(self._config, endpoint=endpoint, pubsub_endpoint=pubsub_endpoint)
        self.arbiter = FakeArbiter(config)
        self.controller = Controller(
            self.arbiter,
            endpoint=endpoint,
            pubsub_endpoint=pubsub_endpoint,
            commands=self._commands,
            hooks=self._hooks,
            clock=SystemClock(),
            loop=self.loop,
        )
        self.arbiter.control = self.controller
        try:
            self.controller.bind()
        except CircusError as error:
            self._error = error
            return
        finally:
            self._ready.set()
        try:
            await self._end.wait()
        finally:
            await self.controller.close()


class Peers:
    """Makes clients' sockets and closes them at the end. A context manager."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.destroy(linger=0)

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        self._sockets.append(made)
        return made

    def dealer(self, endpoint: str) -> zmq.Socket[bytes]:
        made = self.socket(zmq.DEALER)
        made.ipv6 = "[" in endpoint
        made.connect(endpoint)
        return made

    def subscriber(self, endpoint: str, topic: bytes) -> zmq.Socket[bytes]:
        made = self.socket(zmq.SUB)
        made.setsockopt(zmq.SUBSCRIBE, topic)
        made.ipv6 = "[" in endpoint
        made.connect(endpoint)
        return made
