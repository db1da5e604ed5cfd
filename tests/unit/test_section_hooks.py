import asyncio
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_core.config.model import HookConfig, WatcherConfig
from circus_core.config.options import HOOK_NAMES
from circus_core.drivers import resolve_name
from circus_core.errors import ConfigError
from circus_core.events import Event, HookFailed, HookSucceeded, HookTimedOut
from circus_core.hooks import ALLOWED, Hooks, Verdict
from circus_core.plugins import HookPlugins
from circus_core.section_hooks import SectionHooks, check_hooks, import_hooks
from circus_core.workers import Workers
from tests.packages import Installer, installer
from tests.unit.test_workers import wait_until
from tests.unit.views import AProcess, AWatcher, FixedClock

__all__ = ["installer"]

Target = str | Callable[..., Any]

ASKING: Mapping[str, Callable[[Hooks, AWatcher], Awaitable[Verdict]]] = {
    "before_start": lambda hooks, watcher: hooks.before_start(watcher),
    "after_start": lambda hooks, watcher: hooks.after_start(watcher),
    "before_spawn": lambda hooks, watcher: hooks.before_spawn(watcher, 1),
    "after_spawn": lambda hooks, watcher: hooks.after_spawn(watcher, AProcess()),
    "before_signal": lambda hooks, watcher: hooks.before_signal(watcher, AProcess(), 15),
}
TELLING: Mapping[str, Callable[[Hooks, AWatcher], Awaitable[None]]] = {
    "before_stop": lambda hooks, watcher: hooks.before_stop(watcher),
    "after_stop": lambda hooks, watcher: hooks.after_stop(watcher),
    "after_signal": lambda hooks, watcher: hooks.after_signal(watcher, AProcess(), 15),
    "before_reap": lambda hooks, watcher: hooks.before_reap(watcher, AProcess()),
    "after_reap": lambda hooks, watcher: hooks.after_reap(watcher, AProcess(), -9),
}
STOPPING = {"after_start", "before_spawn", "after_spawn"}


class House:
    """Hooks with the plugin that runs the functions of sections, and what they publish."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.workers = Workers()
        self.clock = FixedClock()
        self.plugin = SectionHooks(workers=self.workers, publish=self.events.append, clock=self.clock)
        manager = HookPlugins()
        manager.add(self.plugin, "section-hooks")
        self.hooks = Hooks(manager, publish=self.events.append, clock=self.clock, timeout=0.001)

    def ask(self, name: str, target: Target, *, ignore: bool = False, timeout: float = 20.0) -> Verdict:
        return asyncio.run(self._ask(name, watcher(name, target, ignore=ignore, timeout=timeout)))

    async def _ask(self, name: str, watcher: AWatcher) -> Verdict:
        if name in ASKING:
            return await ASKING[name](self.hooks, watcher)
        await TELLING[name](self.hooks, watcher)
        return ALLOWED

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self.events]


def watcher(name: str, target: Target, *, ignore: bool = False, timeout: float = 20.0) -> AWatcher:
    hooks = {name: HookConfig(target=target, ignore_failure=ignore)}
    return AWatcher(config=WatcherConfig(name="web", hooks=hooks, hook_timeout=timeout))


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.workers.close()
    wait_until(lambda: house.workers.count == 0)


class Records:
    """A hook function that keeps what it was called with."""

    def __init__(self, answer: object = True) -> None:
        self.__qualname__ = "records"
        self.answer = answer
        self.given: tuple[object, ...] = ()
        self.extras: dict[str, object] = {}
        self.thread = 0

    def __call__(self, *given: object, **extras: object) -> object:
        self.given, self.extras, self.thread = given, extras, threading.get_ident()
        return self.answer


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("before_start", {}),
        ("after_start", {}),
        ("before_spawn", {}),
        ("after_spawn", {"pid": 4711}),
        ("before_stop", {}),
        ("after_stop", {}),
        ("before_signal", {"pid": 4711, "signum": 15}),
        ("after_signal", {"pid": 4711, "signum": 15}),
        ("before_reap", {"process_pid": 4711, "time": 1_700_000_100.0}),
        (
            "after_reap",
            {"process_pid": 4711, "time": 1_700_000_100.0, "exit_code": -9, "process_status": 2},
        ),
    ],
)
def test_a_function_gets_the_arguments_of_the_reference(
    house: House, name: str, extras: dict[str, object]
) -> None:
    function = Records()
    house.ask(name, function)
    assert function.given == ()
    assert set(function.extras) == {"watcher", "arbiter", "hook_name", *extras}
    assert function.extras["hook_name"] == name
    assert {key: function.extras[key] for key in extras} == extras
    assert function.thread != threading.get_ident()


def test_every_hook_of_the_options_is_tried_here() -> None:
    assert {*ASKING, *TELLING, "extended_stats"} == set(HOOK_NAMES)


def test_a_function_gets_the_watcher_itself_and_the_arbiter_that_started(house: House) -> None:
    arbiter: Any = object()
    asyncio.run(house.hooks.arbiter_starting(arbiter))
    web = watcher("before_spawn", function := Records())
    asyncio.run(house.hooks.before_spawn(web, 1))
    assert function.extras["watcher"] is web
    assert function.extras["arbiter"] is arbiter


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("answer", [False, None, 0, ""])
def test_a_false_result_or_none_refuses(house: House, name: str, answer: object) -> None:
    verdict = house.ask(name, Records(answer))
    assert verdict == Verdict(False, by=f"hooks.{name} = records", stop_watcher=name in STOPPING)
    assert house.events == [HookSucceeded(watcher="web", time=house.clock.wall(), name=name)]


@pytest.mark.parametrize("name", ASKING)
def test_a_true_result_allows(house: House, name: str) -> None:
    assert house.ask(name, Records("yes")) == ALLOWED
    assert house.actions == ["hook_success"]


def explode(**_extras: object) -> None:
    raise ValueError("hook exploded")


@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize("name", [*ASKING, *TELLING])
def test_an_exception_is_published_and_judged_by_the_flag(
    house: House, name: str, ignore: bool, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = house.ask(name, explode, ignore=ignore)
    assert verdict.allowed is (ignore or name in TELLING or name == "before_signal")
    if not verdict.allowed:
        assert verdict.by == f"hooks.{name} = explode: hook exploded"
        assert verdict.stop_watcher is (name in STOPPING)
    assert house.events == [
        HookFailed(watcher="web", time=house.clock.wall(), name=name, error="hook exploded")
    ]
    assert f"watcher 'web': hooks.{name} = explode failed: hook exploded" in caplog.text
    assert "Traceback" in caplog.text


def test_an_exit_in_a_function_does_not_end_the_daemon(house: House) -> None:
    def leave(**_extras: object) -> None:
        sys.exit(3)

    assert not house.ask("before_start", leave)
    assert house.actions == ["hook_failure"]


@pytest.mark.parametrize("ignore", [True, False])
def test_one_that_never_returns_is_given_up(
    house: House, ignore: bool, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def hang(**_extras: object) -> bool:
        return release.wait()

    verdict = house.ask("before_spawn", hang, ignore=ignore, timeout=0.05)
    release.set()
    assert verdict.allowed is ignore
    wall = house.clock.wall()
    assert house.events == [
        HookTimedOut(watcher="web", time=wall, name="before_spawn", timeout=0.05),
        HookFailed(watcher="web", time=wall, name="before_spawn", error="no answer within 0.05 s"),
    ]
    assert "failed: no answer within 0.05 s" in caplog.text
    assert "Traceback" not in caplog.text


def test_one_that_sleeps_holds_back_its_own_watcher_only(house: House) -> None:
    release = threading.Event()

    def hang(**_extras: object) -> bool:
        return release.wait()

    async def scenario() -> None:
        slow = asyncio.create_task(house.hooks.before_start(watcher("before_start", hang)))
        for _ in range(20):
            assert await house.hooks.before_start(watcher("before_start", Records()))
        assert not slow.done()
        release.set()
        assert await slow

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_timeout_error_of_the_function_is_no_timeout_of_ours(house: House) -> None:
    def fail(**_extras: object) -> None:
        raise TimeoutError("database")

    house.ask("before_start", fail)
    assert house.actions == ["hook_failure"]


@pytest.mark.parametrize("answer", [True, False])
def test_a_coroutine_function_is_awaited_on_the_loop(house: House, answer: bool) -> None:
    threads: list[int] = []

    async def later(**_extras: object) -> bool:
        await asyncio.sleep(0)
        threads.append(threading.get_ident())
        return answer

    assert house.ask("before_start", later).allowed is answer
    assert threads == [threading.get_ident()]


def test_a_coroutine_function_is_given_up_too(house: House) -> None:
    async def hang(**_extras: object) -> None:
        await asyncio.Event().wait()

    assert not house.ask("before_start", hang, timeout=0.05)
    assert house.actions == ["hook_timeout", "hook_failure"]


def test_cancelling_the_caller_is_not_a_failure(house: House) -> None:
    async def scenario() -> None:
        web = watcher("before_start", lambda **_extras: threading.Event().wait(0.2))
        task = asyncio.create_task(house.hooks.before_start(web))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert house.events == []


def test_other_hooks_of_a_watcher_cost_no_thread(house: House) -> None:
    house.ask("before_start", Records())
    count = house.workers.count
    asyncio.run(house.hooks.before_spawn(watcher("before_start", Records()), 1))
    assert house.workers.count == count
    assert house.actions == ["hook_success"]


# -- extended_stats --------------------------------------------------------------------------------


def extend(house: House, function: Target, *, timeout: float = 20.0) -> dict[str, Any]:
    stats: dict[str, Any] = {"cpu": 1, "secret": 2}
    web = watcher("extended_stats", function, timeout=timeout)
    asyncio.run(house.hooks.extended_stats(web, AProcess(), stats))
    return stats


def test_extended_stats_come_by_position_and_may_be_changed_in_place(house: House) -> None:
    def extra(w: AWatcher, a: object, name: str, *, pid: int, stats: dict[str, Any]) -> None:
        del stats["secret"]
        stats["more"] = (w.name, name, pid)

    assert extend(house, extra) == {"cpu": 1, "more": ("web", "extended_stats", 4711)}
    assert house.events == []


def test_a_fault_in_extended_stats_leaves_the_figures_of_the_others(house: House) -> None:
    def extra(*_given: object, pid: int, stats: dict[str, Any]) -> None:
        stats.clear()
        raise ValueError("boom")

    assert extend(house, extra) == {"cpu": 1, "secret": 2}
    assert house.actions == ["hook_failure"]


def test_extended_stats_that_come_late_are_not_used(house: House) -> None:
    release = threading.Event()

    def extra(*_given: object, pid: int, stats: dict[str, Any]) -> None:
        release.wait()
        stats.clear()

    stats = extend(house, extra, timeout=0.05)
    release.set()
    wait_until(lambda: house.workers.count == len(house.workers._idle))
    assert stats == {"cpu": 1, "secret": 2}
    assert house.actions == ["hook_timeout", "hook_failure"]


# -- dotted paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["shop_checks.good", "shop_checks:good", "shop_checks.Checks.good"])
def test_a_function_is_found_by_its_path(house: House, installer: Installer, path: str) -> None:
    source = "def good(**_):\n    return True\nclass Checks:\n    good = staticmethod(good)\n"
    installer.module("shop_checks", source)
    check_hooks(watcher("before_start", path).config)
    assert house.ask("before_start", path)


def test_a_path_that_leads_nowhere_at_call_time_is_a_failure(house: House) -> None:
    assert house.ask("before_start", "no_such_module.f").by == (
        "hooks.before_start = no_such_module.f: there is no module 'no_such_module'"
    )
    assert house.actions == ["hook_failure"]


def test_a_watcher_whose_functions_are_missing_is_refused_with_all_of_them(installer: Installer) -> None:
    installer.module("shop_checks", "number = 3\n")
    targets: dict[str, Target] = {
        "before_start": "no_such_module.f",
        "after_start": "shop_checks.godo",
        "before_stop": "shop_checks.number",
        "after_stop": len,
    }
    hooks = {name: HookConfig(target=target) for name, target in targets.items()}
    way_out = (
        "; its folder must be on the import path of circusd or in PYTHONPATH of the watcher's env section"
    )
    with pytest.raises(ConfigError) as caught:
        check_hooks(WatcherConfig(name="web", hooks=hooks))
    assert str(caught.value).split("\n") == [
        "watcher 'web': hooks.before_start: no_such_module.f can't be imported: "
        f"there is no module 'no_such_module'{way_out}",
        "watcher 'web': hooks.after_start: shop_checks.godo can't be imported: "
        f"module 'shop_checks' has no 'godo'{way_out}",
        "watcher 'web': hooks.before_stop: shop_checks.number must be a function, it is of type int",
    ]


def test_a_module_that_fails_refuses_the_watcher(installer: Installer) -> None:
    installer.module("shop_checks", "raise SystemExit('no')\n")
    with pytest.raises(ConfigError, match=re.escape("importing 'shop_checks' failed: SystemExit: no")):
        check_hooks(watcher("before_start", "shop_checks.f").config)


@pytest.fixture
def import_path() -> Iterator[None]:
    before = sys.path[:]
    yield
    sys.path[:] = before


@pytest.mark.usefixtures("import_path")
def test_pythonpath_of_the_watcher_is_searched_and_its_pth_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "more.pth").write_text(f"{tmp_path}/two\n")
    (tmp_path / "two" / "checks_of_two.py").write_text("def f(**_):\n    return True\n")
    env = {"PYTHONPATH": f"{tmp_path}/one::{sys.path[-1]}"}
    hooks = {"before_start": HookConfig(target="checks_of_two.f")}
    before = sys.path[:]
    check_hooks(WatcherConfig(name="web", hooks=hooks, env=env))
    check_hooks(WatcherConfig(name="web", hooks=hooks, env=env))
    assert sys.path == [*before, f"{tmp_path}/one", f"{tmp_path}/two"]
    sys.modules.pop("checks_of_two")


@pytest.mark.usefixtures("import_path")
def test_a_watcher_without_hooks_leaves_the_import_path_alone(tmp_path: Path) -> None:
    before = sys.path[:]
    check_hooks(WatcherConfig(name="web", env={"PYTHONPATH": str(tmp_path)}))
    assert sys.path == before


def test_a_module_that_was_edited_is_run_again_if_asked_for(tmp_path: Path, installer: Installer) -> None:
    module = tmp_path / "edited_checks.py"
    config = WatcherConfig(
        name="web",
        hooks={"before_start": HookConfig(target="edited_checks.check")},
        env={"PYTHONPATH": str(tmp_path)},
    )
    module.write_text("def check(**_):\n    return 'old'\n")
    import_hooks(config, ["before_start"])
    old = resolve_name("edited_checks.check")
    module.write_text("def check(**_):\n    return 'much newer'\n")
    import_hooks(config)
    assert resolve_name("edited_checks.check") is old
    import_hooks(config, ["before_start"])
    assert resolve_name("edited_checks.check")() == "much newer"
    module.write_text("check = 1\nraise ValueError('half edited')\n")
    with pytest.raises(ConfigError, match=r"importing 'edited_checks' again failed.*half edited"):
        import_hooks(config, ["before_start"])
    assert resolve_name("edited_checks.check")() == "much newer"


def test_the_standard_library_is_not_run_again() -> None:
    import_hooks(
        WatcherConfig(name="web", hooks={"after_stop": HookConfig(target="os.getpid")}), ["after_stop"]
    )
    assert sys.modules["os"] is os
