"""The example of every hook does what it is an example of, when the kernel's own Hooks call it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from circus_core.access.identity import Identity
from circus_core.config.model import ArbiterConfig, Config, SocketConfig, StreamConfig, WatcherConfig
from circus_core.config.options import Option
from circus_core.config.units import TEXT
from circus_core.events import Event, Spawned
from circus_core.hooks import Hooks
from circus_core.hookspecs import hookimpl
from circus_core.plugins import HookPlugins
from tests.docs.test_hooks_page import HOOKS, generator
from tests.unit.views import AProcess, AWatcher, FixedClock

ME = Identity(transport="ipc", uid=1000)
PROCESS = AProcess(pid=os.getpid())
WEB = AWatcher(
    config=WatcherConfig(name="web", working_dir="/srv/web", options={"health_url": "http://web/"})
)
SOCKET = SocketConfig(name="web", host="127.0.0.1", port=8080)
ARBITER = SimpleNamespace(config=ArbiterConfig(endpoint="tcp://one:1", pubsub_endpoint="tcp://one:2"))
BEFORE = Config(arbiter=ArbiterConfig(options={"region": "north"}), watchers=(WatcherConfig(name="web"),))
AFTER = dataclasses.replace(BEFORE, arbiter=ArbiterConfig(options={"region": "south", "beacon": True}))
THEME = Option(name="theme", kind=TEXT, doc="colours", section="watcher")


class Notes:
    """Whatever an example calls: it is noted, and may be awaited."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.said.append(_line(name, args))

    def later(self, name: str, answer: object = None) -> Callable[..., Awaitable[object]]:
        """Return a function to be awaited."""

        async def noted(*args: object) -> object:
            self.said.append(_line(name, args))
            return answer

        return noted


def _line(name: str, args: tuple[object, ...]) -> str:
    return " ".join(map(str, (name, *args)))


@dataclass
class Scene:
    """What is there when an example runs."""

    folder: Path
    log: pytest.LogCaptureFixture
    notes: Notes = field(default_factory=Notes)
    published: list[Event] = field(default_factory=list)

    def logged(self) -> list[str]:
        return list(self.log.messages)

    def hooks(self, name: str, **space: object) -> Hooks:
        """Return hooks with the example of one hook, which finds these names beside it."""
        (hook,) = (hook for hook in HOOKS if hook.__name__ == name)
        found: dict[str, Any] = {"hookimpl": hookimpl, "log": logging.getLogger("example"), **space}
        exec(generator.parts(hook)["Example"], found)
        module = ModuleType("example")
        setattr(module, name, found[name])
        manager = HookPlugins()
        manager.add(module, "example")
        return Hooks(manager, publish=self.published.append, clock=FixedClock())

    def call(self, name: str, *args: Any, **space: object) -> Any:
        """Have the hook called, on a loop if it is to be awaited."""
        method = getattr(self.hooks(name, **space), name)

        async def awaited() -> Any:
            answer = method(*args)
            return await answer if asyncio.iscoroutine(answer) else answer

        return asyncio.run(awaited())


@pytest.fixture
def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.INFO, "example")
    return Scene(tmp_path, caplog)


def options_are_declared(scene: Scene) -> bool:
    listen = dataclasses.replace(THEME, name="listen")
    mine = SimpleNamespace(LISTEN=listen, THEME=THEME)
    return bool(scene.call("register_options", my_options=mine) == [listen, THEME])


def a_configuration_is_read(scene: Scene) -> bool:
    sections = {"watcher:web": {"cmd": "sleep 1"}}
    space: Mapping[str, object] = {"json": json, "evaluate": lambda path: json.dumps(sections)}
    assert scene.call("read_config", Path("circus.ini"), **space) is None
    return bool(scene.call("read_config", Path("circus.jsonnet"), **space) == sections)


def a_watcher_is_added_to_the_configuration(scene: Scene) -> bool:
    space = {"dataclasses": dataclasses, "WatcherConfig": WatcherConfig}
    assert scene.call("config_loaded", BEFORE, **space) == BEFORE
    return [each.name for each in scene.call("config_loaded", AFTER, **space).watchers] == ["web", "beacon"]


def a_watcher_to_be_added_is_changed(scene: Scene) -> bool:
    config = dataclasses.replace(BEFORE, arbiter=ArbiterConfig(options={"team": "red"}))
    section = WatcherConfig(name="late", cmd="x", env={"A": "1"})
    changed = scene.call("before_add", section, config, dataclasses=dataclasses)
    return bool(changed.env == {"A": "1", "TEAM": "red"})


def watchers_are_made_anew(scene: Scene) -> bool:
    assert scene.call("config_diff", AFTER, AFTER) == frozenset()
    return bool(scene.call("config_diff", BEFORE, AFTER) == {"web"})


def a_file_forbids_the_start(scene: Scene) -> bool:
    file = scene.folder / "maintenance"
    space = {"Path": lambda path: file if path == "/run/maintenance" else None}
    assert scene.call("before_start", WEB, **space).allowed
    file.touch()
    return not scene.call("before_start", WEB, **space).allowed


def an_answer_decides_after_the_start(scene: Scene) -> bool:
    assert scene.call("after_start", WEB, answers=scene.notes.later("asked", True)).allowed
    assert not scene.call("after_start", WEB, answers=scene.notes.later("asked", False)).allowed
    return scene.notes.said == ["asked http://web/"] * 2


def scratch_files_go(scene: Scene) -> bool:
    (scene.folder / "web").mkdir()
    scene.call("after_stop", WEB, shutil=shutil, scratch=scene.folder)
    return not (scene.folder / "web").exists()


def unfinished_code_is_not_loaded(scene: Scene) -> bool:
    space = {"code_is_complete": lambda folder: folder == "/srv/web"}
    other = AWatcher(config=WatcherConfig(name="other", working_dir="/srv/other"))
    assert scene.call("before_reload", WEB, **space).allowed
    return not scene.call("before_reload", other, **space).allowed


def memory_decides_about_a_spawn(scene: Scene) -> bool:
    def psutil_of(available: int) -> object:
        return SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=available))

    assert scene.call("before_spawn", WEB, 1, psutil=psutil).allowed in (True, False)
    assert scene.call("before_spawn", WEB, 1, psutil=psutil_of(600_000_000)).allowed
    return not scene.call("before_spawn", WEB, 1, psutil=psutil_of(400_000_000)).allowed


def the_young_are_not_signalled(scene: Scene) -> bool:
    young, old = AProcess(), SimpleNamespace(age=lambda: 6.0)
    space = {"signal": signal}
    assert scene.call("before_signal", WEB, old, signal.SIGTERM, **space).allowed
    assert scene.call("before_signal", WEB, young, signal.SIGHUP, **space).allowed
    return not scene.call("before_signal", WEB, young, signal.SIGTERM, **space).allowed


def lifetimes_are_kept(scene: Scene) -> bool:
    lifetimes: dict[str, list[float]] = defaultdict(list)
    scene.call("before_reap", WEB, PROCESS, lifetimes=lifetimes)
    return lifetimes == {"web": [5.0]}


def crashes_are_reported(scene: Scene) -> bool:
    for code in (0, -signal.SIGSEGV):
        scene.call("after_reap", WEB, PROCESS, code, signal=signal, crashes=scene.notes)
    return scene.notes.said == [f"report web {PROCESS.pid}"]


def a_folder_is_made_for_a_socket(scene: Scene) -> bool:
    path = scene.folder / "run" / "web.sock"
    scene.call("before_bind", dataclasses.replace(SOCKET, path=str(path)), Path=Path)
    return path.parent.is_dir()


def a_socket_is_registered(scene: Scene) -> bool:
    scene.call("after_bind", SOCKET, 7, directory=SimpleNamespace(register=scene.notes.later("register")))
    return scene.notes.said == ["register web 127.0.0.1 8080"]


def a_socket_is_removed(scene: Scene) -> bool:
    scene.call("before_close", SOCKET, directory=SimpleNamespace(remove=scene.notes.later("remove")))
    return scene.notes.said == ["remove web"]


def wakings_are_counted(scene: Scene) -> bool:
    woken: Counter[str] = Counter()
    scene.call("first_connection", WEB, woken=woken)
    return woken == {"web": 1}


def events_are_counted(scene: Scene) -> bool:
    counts: Counter[str] = Counter()
    scene.hooks("event", counts=counts).event(Spawned(watcher="web", time=1.0, process_pid=7))
    return counts == {"spawn": 1}


def figures_are_added(scene: Scene) -> bool:
    stats: dict[str, Any] = {"cpu": 1}
    scene.call("extended_stats", WEB, PROCESS, stats, os=os)
    return bool(stats["cpu"] == 1 and stats["open_files"] > 0)


def output_goes_to_a_journal(scene: Scene) -> bool:
    journals: dict[str, object] = {"Journal": lambda *args: args}
    assert scene.call("output", WEB, "stdout", StreamConfig(), **journals) is None
    return bool(scene.call("output", WEB, "stderr", None, **journals) == ("web", "stderr"))


def functions_get_old_faces(scene: Scene) -> bool:
    faces = {"OldWatcher": lambda watcher: ("old", watcher), "OldArbiter": lambda arbiter: ("old", arbiter)}
    return bool(scene.call("function_views", WEB, ARBITER, **faces) == (("old", WEB), ("old", ARBITER)))


def a_command_is_provided(scene: Scene) -> bool:
    return scene.call("find_command", "greet", Greet=lambda: "hello") == "hello" and (
        scene.call("find_command", "other", Greet=lambda: "hello") is None
    )


def nothing_is_changed_on_a_day_off(scene: Scene) -> bool:
    def asked(access: str, is_workday: bool) -> bool:
        days = SimpleNamespace(is_workday=lambda: is_workday)
        return bool(scene.call("authorize", ME, "stop", {}, access, calendar=days).allowed)

    return [asked("full", True), asked("read", False), asked("full", False)] == [True, True, False]


def commands_are_noted(scene: Scene) -> bool:
    scene.call("before_command", ME, "stop", {"name": "web"}, audit=scene.notes)
    return scene.notes.said == [f"write {ME} wants stop web"]


def outcomes_are_counted(scene: Scene) -> bool:
    outcomes: Counter[tuple[str, bool]] = Counter()
    scene.call("after_command", ME, "stop", {}, "no such watcher", outcomes=outcomes)
    return outcomes == {("stop", True): 1}


def the_start_is_announced(scene: Scene) -> bool:
    scene.call("arbiter_started", ARBITER, announce=scene.notes.later("announce"))
    return scene.notes.said == ["announce up, control at tcp://one:1"]


def a_load_balancer_is_drained(scene: Scene) -> bool:
    scene.call("arbiter_stopping", ARBITER, load_balancer=SimpleNamespace(drain=scene.notes.later("drain")))
    return scene.notes.said == ["drain"]


def a_connection_is_closed(scene: Scene) -> bool:
    scene.call("arbiter_stopped", ARBITER, connection=scene.notes)
    return scene.notes.said == ["close"]


def a_row_is_added(scene: Scene) -> bool:
    rows: dict[str, object] = {}
    scene.call("watcher_added", WEB, rows=rows)
    return rows == {"web": WEB}


def a_row_is_removed(scene: Scene) -> bool:
    rows = {"web": WEB, "other": WEB}
    scene.call("watcher_removed", WEB, rows=rows)
    return rows == {"other": WEB}


def a_watcher_leaves_the_load_balancer(scene: Scene) -> bool:
    scene.call("before_stop", WEB, load_balancer=SimpleNamespace(remove=scene.notes.later("remove")))
    return scene.notes.said == ["remove web"]


def a_deployment_is_finished(scene: Scene) -> bool:
    scene.call("after_reload", WEB, deployments=scene.notes)
    return scene.notes.said == ["finished web"]


def a_process_joins_its_group(scene: Scene) -> bool:
    verdict = scene.call("after_spawn", WEB, PROCESS, join_cgroup=scene.notes.join)
    return bool(verdict.allowed) and scene.notes.said == [f"join web {PROCESS.pid}"]


def signals_are_noted(scene: Scene) -> bool:
    scene.call("after_signal", WEB, PROCESS, 15, audit=scene.notes)
    return scene.notes.said == [f"write web {PROCESS.pid} got 15"]


def what_is_logged(name: str, args: tuple[object, ...], line: str) -> Callable[[Scene], bool]:
    """Return a check of an example that writes into the log."""

    def is_logged(scene: Scene) -> bool:
        scene.call(name, *args)
        return scene.logged() == [line]

    return is_logged


CHECKS: Mapping[str, Callable[[Scene], bool]] = {
    "register_options": options_are_declared,
    "read_config": a_configuration_is_read,
    "config_loaded": a_watcher_is_added_to_the_configuration,
    "before_add": a_watcher_to_be_added_is_changed,
    "config_diff": watchers_are_made_anew,
    "arbiter_starting": what_is_logged("arbiter_starting", (ARBITER,), "events at tcp://one:2"),
    "arbiter_started": the_start_is_announced,
    "arbiter_stopping": a_load_balancer_is_drained,
    "arbiter_stopped": a_connection_is_closed,
    "watcher_added": a_row_is_added,
    "watcher_removed": a_row_is_removed,
    "before_start": a_file_forbids_the_start,
    "after_start": an_answer_decides_after_the_start,
    "before_stop": a_watcher_leaves_the_load_balancer,
    "after_stop": scratch_files_go,
    "before_reload": unfinished_code_is_not_loaded,
    "after_reload": a_deployment_is_finished,
    "after_resize": what_is_logged("after_resize", (WEB, 3), "web: from 3 to 1"),
    "function_views": functions_get_old_faces,
    "before_spawn": memory_decides_about_a_spawn,
    "after_spawn": a_process_joins_its_group,
    "process_ready": what_is_logged("process_ready", (WEB, PROCESS), "web.1 ready after 5.0 s"),
    "before_signal": the_young_are_not_signalled,
    "after_signal": signals_are_noted,
    "before_reap": lifetimes_are_kept,
    "after_reap": crashes_are_reported,
    "before_bind": a_folder_is_made_for_a_socket,
    "after_bind": a_socket_is_registered,
    "before_close": a_socket_is_removed,
    "first_connection": wakings_are_counted,
    "event": events_are_counted,
    "extended_stats": figures_are_added,
    "output": output_goes_to_a_journal,
    "find_command": a_command_is_provided,
    "authorize": nothing_is_changed_on_a_day_off,
    "before_command": commands_are_noted,
    "after_command": outcomes_are_counted,
}


@pytest.mark.parametrize("name", [hook.__name__ for hook in HOOKS])
def test_an_example_does_what_it_shows(name: str, scene: Scene) -> None:
    assert CHECKS[name](scene)
    assert scene.published == []  # no hook_failure
    assert not [line for line in scene.logged() if "failed" in line]
