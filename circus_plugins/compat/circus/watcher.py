"""`circus.watcher`: the watcher of 0.19, with a watcher of circus-core behind it while its arbiter runs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

import circus_core
from circus._conversions import to_gid, to_uid
from circus._gevent import warn_of_stream_backend
from circus._loops import done, running_loop
from circus._names import resolve_name
from circus._overriding import warn_of_uncalled
from circus._set_actions import ADJUST, NOTHING, action_of, is_unknown
from circus.process import Process
from circus_core import (
    ConfigError,
    MessageError,
    WatcherConfig,
    WatcherState,
    options_as_shown,
    set_option,
    watcher_from_mapping,
)

if TYPE_CHECKING:
    from circus.arbiter import Arbiter

__all__ = ["Watcher"]

log = logging.getLogger("circus")

_FORGIVEN: Final = frozenset({"before_stop", "after_stop", "before_signal", "after_signal", "extended_stats"})
"""Hooks in which an exception never counts as a refusal."""


_UNCALLED: Final = frozenset(
    {
        "call_hook", "decr", "do_action", "incr", "info", "initialize", "kill_process", "kill_processes",
        "manage_processes", "notify_event", "options", "process_info", "reap_and_manage_processes",
        "reap_process", "reap_processes", "reload", "remove_expired_processes", "restart", "send_signal",
        "send_signal_child", "send_signal_children", "send_signal_process", "set_numprocesses", "set_opt",
        "spawn_process", "spawn_processes", "start", "status", "stop",
    }
)  # fmt: skip
"""What the arbiter and the commands of 0.19 called."""


def _option(name: str) -> Any:
    """An option: read from the configuration in force, and changed there without replacing processes."""

    def get(self: Watcher) -> Any:
        return getattr(self.config, name)

    def change(self: Watcher, value: Any) -> None:
        self._adopt(_changed(self.config, name, value))

    return property(get, change)


class Watcher:
    """The processes of one command. Make it by hand and give it to an Arbiter, which runs it.

    start, stop, restart, reload, incr, decr and whatever is marked F return a future; on the loop an asyncio
    one, which may be awaited or yielded, and in another thread, such as that of a hook, one of
    concurrent.futures. Nobody has to wait for it.

    Attributes:
        name: as given; `res_name` is the form that topics of events have.
        prereload_fn: called with the watcher, on a thread, before each graceful reload.
        env: the environment of the next process; a before_spawn hook may change it.
        arbiter: whose it is, once it is known.
    """

    cmd = _option("cmd")
    warmup_delay = _option("warmup_delay")
    shell = _option("shell")
    shell_args = _option("shell_args")
    uid = _option("uid")
    gid = _option("gid")
    max_retry = _option("max_retry")
    send_hup = _option("send_hup")
    stop_signal = _option("stop_signal")
    stop_children = _option("stop_children")
    graceful_timeout = _option("graceful_timeout")
    executable = _option("executable")
    priority = _option("priority")
    singleton = _option("singleton")
    use_sockets = _option("use_sockets")
    copy_env = _option("copy_env")
    copy_path = _option("copy_path")
    max_age = _option("max_age")
    max_age_variance = _option("max_age_variance")
    respawn = _option("respawn")
    autostart = _option("autostart")
    on_demand = _option("on_demand")
    virtualenv = _option("virtualenv")
    virtualenv_py_ver = _option("virtualenv_py_ver")
    stdin_socket = _option("stdin_socket")
    close_child_stdin = _option("close_child_stdin")
    close_child_stdout = _option("close_child_stdout")
    close_child_stderr = _option("close_child_stderr")

    stream_redirector = None
    prereload_fn: Callable[[Watcher], object] | None

    def __init__(
        self,
        name: str | None,
        cmd: str,
        args: str | Sequence[str] | None = None,
        numprocesses: int = 1,
        warmup_delay: float = 0.0,
        working_dir: str | None = None,
        shell: bool = False,
        shell_args: str | None = None,
        uid: str | int | None = None,
        max_retry: int = 5,
        gid: str | int | None = None,
        send_hup: bool = False,
        stop_signal: int | str | None = None,
        stop_children: bool = False,
        env: Mapping[str, Any] | None = None,
        graceful_timeout: float = 30.0,
        prereload_fn: Callable[[Watcher], object] | None = None,
        rlimits: Mapping[str, int | None] | None = None,
        executable: str | None = None,
        stdout_stream: Any = None,
        stderr_stream: Any = None,
        priority: int = 0,
        loop: Any = None,
        singleton: bool = False,
        use_sockets: bool = False,
        copy_env: bool = False,
        copy_path: bool = False,
        max_age: int = 0,
        max_age_variance: int = 30,
        hooks: Mapping[str, Any] | None = None,
        respawn: bool = True,
        autostart: bool = True,
        on_demand: bool = False,
        virtualenv: str | None = None,
        stdin_socket: str | None = None,
        close_child_stdin: bool = True,
        close_child_stdout: bool = False,
        close_child_stderr: bool = False,
        virtualenv_py_ver: str | None = None,
        **options: Any,
    ) -> None:
        """Args:
        loop: not needed; a watcher runs on the loop of its arbiter.
        options: whatever the kernel does not know, kept for plugins and hooks.

        Raises:
            ValueError: an option does not fit, with all of them.
            ImportError: a hook can't be imported.
        """
        given = {key: value for key, value in locals().items() if key not in _NOT_OPTIONS}
        if "stream_backend" in options:
            warn_of_stream_backend(options["stream_backend"], 2)
        config = _configured({**options, **given})
        _check_hooks(config)
        self._hold(config)
        self.prereload_fn = prereload_fn

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Warn of overridden methods that nobody calls."""
        super().__init_subclass__(**kwargs)
        warn_of_uncalled(cls, _UNCALLED, "use hooks, such as hooks.before_spawn, or events")

    @classmethod
    def load_from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make it from a mapping of the parameters; the mapping is not changed. KeyError without `cmd`."""
        given = {key: value for key, value in config.items() if key != "__name__"}
        watcher = cls(given.pop("name", None), given.pop("cmd"), **given)
        watcher._cfg = dict(config)
        return watcher

    @classmethod
    def of_config(cls, config: WatcherConfig) -> Self:
        """Make it from what a configuration file says."""
        watcher = cls.__new__(cls)
        watcher._hold(config)
        return watcher

    def _hold(self, config: WatcherConfig) -> None:
        self._config = config
        self._env = dict(config.env)
        self._core: circus_core.Watcher | None = None
        self._shown: dict[circus_core.Process, Process] = {}
        self._changing: Any = None  # what the last set_opt began
        self._alone: Arbiter | None = None  # runs this one watcher
        self._cfg: dict[str, Any] | None = None
        self._sockets: Any = None
        self._evpub_socket: Any = None
        self.prereload_fn = None
        self.arbiter: Arbiter | None = None

    # The watcher behind it

    def initialize(self, evpub_socket: Any, sockets: Any, arbiter: Arbiter) -> None:
        """Note whose it is; an Arbiter does this by itself."""
        self._evpub_socket, self._sockets, self.arbiter = evpub_socket, sockets, arbiter

    def attach(self, core: circus_core.Watcher, arbiter: Arbiter) -> None:
        """Stand for a watcher that runs."""
        self._core, self.arbiter = core, arbiter

    def detach(self) -> None:
        """The arbiter has ended: keep what was last known."""
        if self._core is not None:
            self._config = replace(self._core.config, numprocesses=self._core.numprocesses)
            self._env = dict(self._core.env)
            self._core, self._alone = None, None

    def final_config(self) -> WatcherConfig:
        """Return what the arbiter is to run."""
        return replace(self._config, env=dict(self._env))

    def stands_for(self, core: circus_core.Watcher) -> bool:
        return self._core is core

    @property
    def config(self) -> WatcherConfig:
        """The options in force, as circus-core has them."""
        return self._config if self._core is None else self._core.config

    def _adopt(self, config: WatcherConfig) -> None:
        if self._core is None:
            self._config = config
        else:
            self._core.config = config

    def __getattr__(self, name: str) -> Any:
        """What circus-core's watchers have besides, such as `state` and `reason`."""
        core = None if name.startswith("_") else self._core
        if core is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(core, name)

    # What can be seen

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def res_name(self) -> str:
        return self.name.lower().replace(" ", "_")

    @property
    def numprocesses(self) -> int:
        """How many processes are wanted."""
        return self._config.numprocesses if self._core is None else self._core.numprocesses

    @numprocesses.setter
    def numprocesses(self, number: int) -> None:
        self.set_numprocesses(number)

    @property
    def env(self) -> dict[str, str]:
        return self._env if self._core is None else self._core.env

    @env.setter
    def env(self, env: Mapping[str, str] | None) -> None:
        if self._core is None:
            self._env = dict(env or {})
        else:
            self._core.env = dict(env or {})

    @property
    def args(self) -> str | list[str] | None:
        args = self.config.args
        return (args or None) if isinstance(args, str) else list(args)

    @args.setter
    def args(self, args: str | Sequence[str] | None) -> None:
        self._adopt(_changed(self.config, "args", args))

    @property
    def working_dir(self) -> str:
        return self.config.working_dir or os.getcwd()

    @working_dir.setter
    def working_dir(self, folder: str | None) -> None:
        self._adopt(_changed(self.config, "working_dir", folder))

    @property
    def rlimits(self) -> dict[str, int | None]:
        return dict(self.config.rlimits)

    @property
    def processes(self) -> dict[int, Process]:
        """Those that have a pid, by pid, in spawn order, as of now."""
        found = {} if self._core is None else dict(self._core.processes)
        self._shown = {
            core: self._shown.get(core) or Process.of_watcher(core, self) for core in found.values()
        }
        return {core.pid: face for core, face in self._shown.items()}

    @property
    def pids(self) -> list[int]:
        return list(self.processes)

    @property
    def hooks(self) -> dict[str, Callable[..., Any]]:
        return {name: _function(hook.target) for name, hook in self.config.hooks.items()}

    @property
    def ignore_hook_failure(self) -> list[str]:
        own = {name for name, hook in self.config.hooks.items() if hook.ignore_failure}
        return sorted(own | _FORGIVEN)

    @property
    def stdout_stream(self) -> Any:
        """The stream object, if the program gave one; else what is configured; None if there is no stream."""
        stream = self.config.stdout_stream
        return stream and (stream.stream or stream)

    @property
    def stderr_stream(self) -> Any:
        stream = self.config.stderr_stream
        return stream and (stream.stream or stream)

    @property
    def stdout_stream_conf(self) -> dict[str, Any] | None:
        return options_as_shown(self.config)["stdout_stream_conf"] or None

    @property
    def stderr_stream_conf(self) -> dict[str, Any] | None:
        return options_as_shown(self.config)["stderr_stream_conf"] or None

    @property
    def sockets(self) -> Any:
        return self._sockets if self.arbiter is None else self.arbiter.sockets

    @property
    def evpub_socket(self) -> Any:
        return self._evpub_socket if self.arbiter is None else self.arbiter.evpub_socket

    @property
    def loop(self) -> Any:
        """The loop of its arbiter."""
        return None if self.arbiter is None else self.arbiter.loop

    @property
    def optnames(self) -> list[str]:
        return list(options_as_shown(self.config))

    @property
    def _options(self) -> dict[str, Any]:
        """The options that the kernel does not know."""
        return dict(self.config.options)

    @property
    def pending_socket_event(self) -> bool:
        """It waits for the first connection."""
        return self.on_demand and self.is_stopped()

    def status(self) -> str:
        """Return "active", "stopped", "starting" or "stopping"."""
        return self._state.value

    @property
    def _state(self) -> WatcherState:
        return WatcherState.STOPPED if self._core is None else self._core.state

    def is_active(self) -> bool:
        return self._state is WatcherState.ACTIVE

    def is_stopped(self) -> bool:
        return self._state is WatcherState.STOPPED

    def is_stopping(self) -> bool:
        return self._state is WatcherState.STOPPING

    def __len__(self) -> int:
        return len(self._core.processes) if self._core is not None else 0

    def __bool__(self) -> bool:
        return True  # also without processes

    def __repr__(self) -> str:
        return f"<circus.Watcher name={self.name} numprocesses={self.numprocesses}>"

    def info(self, extended: bool = False) -> dict[int, Any]:
        """Return what each process costs, by pid. Blocks."""
        return {pid: self._info(process, extended) for pid, process in self.processes.items()}

    def process_info(self, pid: int | str, extended: bool = False) -> Any:
        """Return what a process costs; KeyError if there is none of this pid. Blocks."""
        return self._info(self.processes[int(pid)], extended)

    def _info(self, process: Process, extended: bool) -> Any:
        found = process.info()
        if extended and isinstance(found, dict):
            self.call_hook("extended_stats", pid=process.pid, stats=found)
        return found

    def options(self) -> list[tuple[str, Any]]:
        """Return the options, sorted by name."""
        shown = options_as_shown(self.config) | {"numprocesses": self.numprocesses}
        return sorted(shown.items())

    def get_active_processes(self) -> list[Process]:
        return [process for process in self.processes.values() if process.is_alive()]

    def get_active_pids(self) -> list[int]:
        return [process.pid for process in self.get_active_processes()]

    # What can be wished. F

    def start(self) -> Any:
        """F, of {"started": pids, "kept": pids}. Without an arbiter it runs alone, on the running loop."""
        return self._start_alone() if self._core is None else self._core.start()

    def stop(self) -> Any:
        """F, of None."""
        if self._core is None:
            return done(None)
        if self._alone is not None:
            return self._alone.stop()
        return self._core.stop()

    def restart(self) -> Any:
        """F, of {"stopped", "started", "kept"}."""
        return self.start() if self._core is None else self._core.restart()

    def reload(self, graceful: bool = True, sequential: bool = False) -> Any:
        """F, of {"stopped", "started", "kept"}."""
        return self.start() if self._core is None else self._core.reload(graceful, sequential)

    def incr(self, nb: int = 1) -> Any:
        """F, of the new number; ValueError for a singleton."""
        return self.set_numprocesses(self.numprocesses + nb)

    def decr(self, nb: int = 1) -> Any:
        """F, of the new number."""
        return self.set_numprocesses(self.numprocesses - nb)

    def set_numprocesses(self, np: int) -> Any:
        """F, of the new number, never below 0; ValueError for a singleton above 1."""
        number = max(0, np)
        if self.config.singleton and number > 1:
            raise ValueError("Singleton watcher has a single process")
        if self._core is not None:
            return self._core.set_numprocesses(number)
        self._config = replace(self._config, numprocesses=number)
        return done(number)

    def set_opt(self, key: str, val: Any) -> int:
        """Change an option, and begin what follows from it; return what do_action() takes.

        An option that nobody knows is ignored, as ever, and told of in the log.

        Raises:
            ValueError: the value does not fit.
        """
        if is_unknown(key, self.config):
            log.warning("watcher %r: there is no option %r to set", self.name, key)
            return ADJUST
        _check_account(key, val)
        action = action_of(key, self.config)
        if self._core is None:
            self._adopt(_changed(self.config, key, val))
            self._env = dict(self.config.env) if key == "env" else self._env
            return action
        try:
            self._changing = self._core.set_options({key: val})
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return action

    def do_action(self, num: int) -> Any:
        """F: wait for what set_opt() began; without that 0 adjusts the number of processes, 1 reloads."""
        begun, self._changing = self._changing, None
        if begun is not None or num == NOTHING:
            return begun if begun is not None else done(None)
        return self.manage_processes() if num == 0 or self.is_stopped() else self.reload()

    def manage_processes(self) -> Any:
        """F: wait until there are as many processes as are wanted. It comes to that by itself."""
        return done(None) if self._core is None else self._core.set_numprocesses(self._core.numprocesses)

    def reap_and_manage_processes(self) -> Any:
        """F, as manage_processes()."""
        return self.manage_processes()

    def remove_expired_processes(self) -> Any:
        """F, as manage_processes()."""
        return self.manage_processes()

    def spawn_processes(self) -> Any:
        """F, as manage_processes()."""
        return self.manage_processes()

    def spawn_process(self) -> float | bool:
        """Return the time, or True if the watcher is stopped. What is missing is spawned anyhow."""
        return True if self.is_stopped() else time.time()

    def reap_process(self, pid: int, status: int | None = None) -> None:
        """Do nothing: the end of a process is noticed when it happens."""

    def reap_processes(self) -> None:
        """Do nothing, as reap_process()."""

    def kill_process(
        self, process: Process, stop_signal: int | None = None, graceful_timeout: float | None = None
    ) -> Any:
        """F: stop a process, which is replaced if it is still wanted; of False if that was done before."""
        if self._core is None or process.pid not in self._core.processes or process.stopping:
            return done(False)
        return self._then(self._core.kill(process.pid, stop_signal, graceful_timeout), True)

    def kill_processes(self, stop_signal: int | None = None, graceful_timeout: float | None = None) -> Any:
        """F: stop all processes, which are replaced as long as the watcher runs."""
        if self._core is None:
            return done(None)
        return self._core.kill(signum=stop_signal, graceful_timeout=graceful_timeout)

    # Signals

    def send_signal(self, pid: int | str, signum: int) -> None:
        """Send a signal to a process, after before_signal; one that is gone does not count."""
        try:
            if self._core is not None:
                self._core.send_signal(int(pid), signum)
        except MessageError as error:
            log.debug("no signal %s: %s", signum, error)

    def send_signal_child(self, pid: int | str, child_id: int | str, signum: int) -> None:
        """Send a signal to a child of a process; KeyError, psutil.NoSuchProcess if there is none."""
        self.processes[int(pid)].send_signal_child(child_id, signum)

    def send_signal_children(self, pid: int | str, signum: int, recursive: bool = False) -> None:
        """Send a signal to the children of a process, or to all its descendants."""
        self.processes[int(pid)].send_signal_children(signum, recursive)

    def send_signal_process(self, process: Process, signum: int, recursive: bool = False) -> None:
        """Send a signal to a process and its children."""
        children = process.children(recursive=recursive)
        self.send_signal(process.pid, signum)
        for child in children:
            process.send_signal_child(child, signum)

    # Hooks and events

    def call_hook(self, hook_name: str, **kwargs: Any) -> Any:
        """Call a hook function of this watcher, in this thread; True if there is none."""
        hook = self.config.hooks.get(hook_name)
        if hook is None:
            return True
        try:
            result = _function(hook.target)(self, self.arbiter, hook_name, **kwargs)
        except Exception:  # hooks come from anybody
            log.exception("watcher %r: hooks.%s failed", self.name, hook_name)
            return hook.ignore_failure or hook_name in _FORGIVEN
        return result

    def notify_event(self, topic: str, msg: Mapping[str, Any]) -> None:
        """Publish `watcher.NAME.TOPIC` with a message."""
        if self.evpub_socket is not None:
            self.evpub_socket.send_multipart([f"watcher.{self.res_name}.{topic}", json.dumps(msg)])

    # Inside

    def _start_alone(self) -> Any:
        from circus.arbiter import Arbiter

        loop = running_loop()
        if loop is None:
            raise RuntimeError(
                f"watcher {self.name!r} can't start: no loop runs; give it to an Arbiter and start that"
            )
        alone = Arbiter([self], "", "", with_endpoints=False)
        self._alone = alone

        async def started() -> Any:
            await alone.start()
            return {"started": list(self.processes), "kept": []}

        return loop.create_task(started())

    def _then(self, future: Any, result: Any) -> Any:
        """Return a future that has `result` when another one is done."""
        if not asyncio.isfuture(future):
            outcome: Any = Future()
        else:
            outcome = future.get_loop().create_future()

        def follow(begun: Any) -> None:
            if begun.cancelled() or outcome.cancelled():
                outcome.cancel()
            elif (error := begun.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)

        future.add_done_callback(follow)
        return outcome


_NOT_OPTIONS: Final = frozenset({"self", "options", "prereload_fn", "loop", "__class__"})


def _configured(given: Mapping[str, Any]) -> WatcherConfig:
    try:
        return watcher_from_mapping({key: value for key, value in given.items() if value is not None})
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _changed(config: WatcherConfig, key: str, value: Any) -> WatcherConfig:
    try:
        return set_option(config, key, value)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _check_account(key: str, value: Any) -> None:
    """Raise ValueError for a user or group that does not exist."""
    if value is not None and key in ("uid", "gid"):
        (to_uid if key == "uid" else to_gid)(value)


def _check_hooks(config: WatcherConfig) -> None:
    for hook in config.hooks.values():
        _function(hook.target)


def _function(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a hook; raises ImportStringError."""
    if callable(target):
        return target
    found: Callable[..., Any] = resolve_name(target)
    return found
