import asyncio
import gc
import re
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from circus_core.access.identity import Identity
from circus_core.config.model import Config, SocketConfig, StreamConfig, WatcherConfig
from circus_core.config.options import Option
from circus_core.config.units import TEXT
from circus_core.errors import ConfigError, PluginError
from circus_core.events import Event, HookFailed, HookTimedOut, Spawned
from circus_core.hooks import ALLOWED, Hooks, Verdict
from circus_core.hookspecs import SPECS, hookimpl
from circus_core.plugins import HookPlugins
from tests.unit.views import AProcess, AWatcher, FixedClock

ME = Identity(transport="ipc", uid=1000, pid=7)
SPAWNED = Spawned(watcher="web", time=1.0, process_pid=7)


class House:
    """Hooks with what they publish, and plugins that are registered under the letters of the alphabet."""

    def __init__(self, *plugins: object, timeout: float = 10.0) -> None:
        self.events: list[Event] = []
        self.clock = FixedClock()
        self.manager = HookPlugins()
        self.hooks = Hooks(self.manager, publish=self.publish, clock=self.clock, timeout=timeout)
        for letter, plugin in zip("abcdefgh", plugins, strict=False):
            self.manager.add(plugin, letter, origin=f"circus-{letter} 1.0".__str__)

    def publish(self, event: Event) -> None:
        self.events.append(event)
        self.hooks.event(event)

    def may_start(self) -> Verdict:
        return asyncio.run(self.hooks.before_start(AWatcher()))


class Says:
    """Answers before_start; remembers that it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    @hookimpl
    def before_start(self) -> Any:
        self.asked += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class SaysLater(Says):
    @hookimpl
    async def before_start(self) -> Any:
        await asyncio.sleep(0)
        return super().before_start()


class Hangs:
    @hookimpl
    async def before_start(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("kind", [Says, SaysLater])
@pytest.mark.parametrize("answer", [True, None, ALLOWED, 1])
def test_an_answer_that_does_not_refuse_allows(kind: type[Says], answer: object) -> None:
    assert House(kind(answer)).may_start() == ALLOWED


@pytest.mark.parametrize("kind", [Says, SaysLater])
@pytest.mark.parametrize("answer", [False, 0, Verdict(allowed=False)])
def test_a_refusal_names_the_plugin_and_does_not_stop_the_watcher(kind: type[Says], answer: object) -> None:
    assert House(kind(answer)).may_start() == Verdict(allowed=False, by="plugin 'a' of circus-a 1.0")


def test_a_refusal_can_say_more() -> None:
    verdict = Verdict(False, by="the disk is full", stop_watcher=True)
    assert House(Says(verdict)).may_start() == verdict


def test_all_are_asked_even_after_a_refusal() -> None:
    plugins = [Says(True), Says(False), Says(None), Says(ValueError())]
    House(*plugins).may_start()
    assert [plugin.asked for plugin in plugins] == [1, 1, 1, 1]


def test_of_two_refusals_the_first_is_named_and_either_stops_the_watcher() -> None:
    house = House(Says(Verdict(False, "late", stop_watcher=True)), Says(Verdict(False, "early")))
    assert house.may_start() == Verdict(False, by="early", stop_watcher=True)


def test_implementations_are_called_in_pluggys_order() -> None:
    calls: list[str] = []

    class Plain:
        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def after_stop(self) -> None:
            calls.append(self.name)

    class First:
        @hookimpl(tryfirst=True)
        def after_stop(self) -> None:
            calls.append("first")

    class Last:
        @hookimpl(trylast=True)
        def after_stop(self) -> None:
            calls.append("last")

    house = House(First(), Plain("1"), Last(), Plain("2"))
    asyncio.run(house.hooks.after_stop(AWatcher()))
    assert calls == ["first", "2", "1", "last"]


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit("boom")])
def test_one_that_raises_is_named_published_and_counted_as_a_refusal(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(Says(error))
    assert house.may_start() == Verdict(False, by="plugin 'a' of circus-a 1.0 failed: boom")
    wall = house.clock.wall()
    assert house.events == [
        HookFailed(watcher="web", time=wall, name="before_start", error="plugin 'a' of circus-a 1.0: boom")
    ]
    assert "plugin 'a' of circus-a 1.0 failed in before_start: boom" in caplog.text
    assert "Traceback" in caplog.text


def test_a_coroutine_that_exits_does_not_end_the_loop() -> None:
    assert not House(SaysLater(SystemExit(1))).may_start()


def test_one_that_waits_for_something_cancelled_has_failed() -> None:
    class Waits:
        @hookimpl
        async def before_start(self) -> None:
            task = asyncio.ensure_future(asyncio.sleep(10))
            task.cancel()
            await task

    verdict = House(Waits()).may_start()
    assert verdict.by == "plugin 'a' of circus-a 1.0 failed: what it waited for was cancelled"


def test_cancelling_the_caller_is_not_a_failure() -> None:
    house = House(Hangs())

    async def scenario() -> None:
        task = asyncio.create_task(house.hooks.before_start(AWatcher()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert house.events == []


def test_a_failure_in_before_signal_does_not_keep_the_signal_back() -> None:
    class Explodes:
        @hookimpl
        def before_signal(self) -> None:
            raise ValueError("boom")

    house = House(Explodes())
    assert asyncio.run(house.hooks.before_signal(AWatcher(), AProcess(), 15)) == ALLOWED
    assert [event.action for event in house.events] == ["hook_failure"]


def test_one_that_takes_too_long_is_given_up_and_the_others_are_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Says(True)
    house = House(other, Hangs(), timeout=0.02)
    assert house.may_start().by == "plugin 'b' of circus-b 1.0 failed: no answer within 0.02 s"
    assert other.asked == 1
    wall = house.clock.wall()
    assert house.events == [
        HookTimedOut(watcher="web", time=wall, name="before_start", timeout=0.02),
        HookFailed(
            watcher="web",
            time=wall,
            name="before_start",
            error="plugin 'b' of circus-b 1.0: no answer within 0.02 s",
        ),
    ]
    assert "Traceback" not in caplog.text


def test_a_plugin_may_set_its_own_timeout() -> None:
    class Patient(Hangs):
        hook_timeout = 0.02

    assert "no answer within 0.02 s" in House(Patient(), timeout=1000).may_start().by


def test_a_plugin_without_a_timeout_is_waited_for() -> None:
    class Patient:
        hook_timeout = None

        @hookimpl
        async def before_start(self) -> bool:
            await asyncio.sleep(0.05)
            return True

    assert House(Patient(), timeout=0.01).may_start()


def test_a_timeout_error_of_its_own_is_no_timeout_of_ours() -> None:
    house = House(SaysLater(TimeoutError("database")))
    assert "failed: database" in house.may_start().by
    assert [event.action for event in house.events] == ["hook_failure"]


def test_an_implementation_gets_only_the_arguments_it_asks_for() -> None:
    got: list[object] = []

    class Picky:
        @hookimpl
        def after_reap(self, exit_code: int, watcher: object) -> None:
            got.extend([exit_code, watcher])

    watcher = AWatcher()
    asyncio.run(House(Picky()).hooks.after_reap(watcher, AProcess(), -9))
    assert got == [-9, watcher]


def test_plugins_may_come_and_go_while_hooks_are_called() -> None:
    house = House(Says(True))
    other = Says(False)
    assert house.may_start()
    house.manager.add(other, "late")
    assert not house.may_start()
    house.manager.unregister(other)
    assert house.may_start()


def test_one_that_removes_itself_does_not_keep_the_next_from_being_called() -> None:
    house = House(first := Says(None))

    class Once:
        @hookimpl
        def before_start(self) -> None:
            house.manager.unregister(self)

    house.manager.add(Once(), "once")
    house.may_start()
    assert first.asked == 1


def _notifications(hooks: Hooks) -> list[Coroutine[Any, Any, object]]:
    watcher, process, socket = AWatcher(), AProcess(), SocketConfig(name="s")
    arbiter: Any = object()
    return [
        hooks.arbiter_starting(arbiter),
        hooks.arbiter_started(arbiter),
        hooks.arbiter_stopping(arbiter),
        hooks.arbiter_stopped(arbiter),
        hooks.watcher_added(watcher),
        hooks.watcher_removed(watcher),
        hooks.before_start(watcher),
        hooks.after_start(watcher),
        hooks.before_stop(watcher),
        hooks.after_stop(watcher),
        hooks.before_reload(watcher),
        hooks.after_reload(watcher),
        hooks.after_resize(watcher, 1),
        hooks.before_spawn(watcher, 1),
        hooks.after_spawn(watcher, process),
        hooks.process_ready(watcher, process),
        hooks.before_signal(watcher, process, 15),
        hooks.after_signal(watcher, process, 15),
        hooks.before_reap(watcher, process),
        hooks.after_reap(watcher, process, 0),
        hooks.before_bind(socket),
        hooks.after_bind(socket, 3),
        hooks.before_close(socket),
        hooks.first_connection(watcher),
        hooks.extended_stats(watcher, process, {}),
        hooks.authorize(ME, "list", {}, "read"),
        hooks.before_command(ME, "list", {}),
        hooks.after_command(ME, "list", {}, ""),
    ]


def _call_everything(hooks: Hooks) -> None:
    async def scenario() -> None:
        for notification in _notifications(hooks):
            await notification

    asyncio.run(scenario())
    hooks.register_options()
    hooks.read_config(Path("circus.ini"))
    hooks.config_loaded(Config())
    hooks.before_add(WatcherConfig(name="late"), Config())
    hooks.config_diff(Config(), Config())
    hooks.event(SPAWNED)
    hooks.output(AWatcher(), "stdout", None)
    hooks.find_command("greet")
    hooks.function_views(AWatcher(), cast(Any, object()))


def test_every_hook_has_a_method_that_hands_over_every_argument() -> None:
    called: list[str] = []

    def implementation(name: str, arguments: tuple[str, ...]) -> Any:
        space: dict[str, Any] = {"called": called}
        exec(f"def {name}({', '.join(('self', *arguments))}): called.append({name!r})", space)
        return hookimpl(space[name])

    names = [name for module in SPECS for name in module.__all__]
    specs = HookPlugins().hook
    body = {name: implementation(name, getattr(specs, name).spec.argnames) for name in names}
    _call_everything(House(type("All", (), body)()).hooks)
    assert sorted(called) == sorted(names)


def test_without_plugins_everything_is_allowed_and_nothing_is_published() -> None:
    house = House()
    _call_everything(house.hooks)
    assert house.may_start() is ALLOWED
    assert house.events == []


def test_a_failure_that_concerns_no_watcher_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    class Explodes:
        @hookimpl
        def before_bind(self) -> None:
            raise ValueError("boom")

    house = House(Explodes())
    asyncio.run(house.hooks.before_bind(SocketConfig(name="s")))
    assert "failed in before_bind: boom" in caplog.text
    assert house.events == []


class Denies:
    @hookimpl
    def authorize(self, command: str) -> bool:
        return command != "quit"


def test_a_command_can_be_denied() -> None:
    hooks = House(Denies()).hooks
    assert asyncio.run(hooks.authorize(ME, "list", {}, "read"))
    assert not asyncio.run(hooks.authorize(ME, "quit", {}, "full"))


def test_a_command_is_denied_when_a_judge_fails() -> None:
    class Explodes:
        @hookimpl
        def authorize(self) -> bool:
            raise ValueError("boom")

    assert not asyncio.run(House(Explodes(), Denies()).hooks.authorize(ME, "list", {}, "read"))


def test_statistics_are_changed_in_place_by_all() -> None:
    class Adds:
        def __init__(self, key: str) -> None:
            self.key = key

        @hookimpl
        def extended_stats(self, stats: dict[str, Any]) -> None:
            stats[self.key] = len(stats)

    stats: dict[str, Any] = {"cpu": 1}
    asyncio.run(House(Adds("x"), Adds("y")).hooks.extended_stats(AWatcher(), AProcess(), stats))
    assert stats == {"cpu": 1, "y": 1, "x": 2}


@pytest.mark.parametrize("harm", [ValueError("boom"), {"x": {1}}, {"x": float("nan")}, {("a", 1): 2}])
def test_a_hook_that_harms_statistics_is_undone_alone(harm: Any) -> None:
    class Harms:
        @hookimpl
        def extended_stats(self, stats: dict[str, Any]) -> None:
            stats.pop("cpu")
            if isinstance(harm, Exception):
                raise harm
            stats.update(harm)

    class Adds:
        @hookimpl
        def extended_stats(self, stats: dict[str, Any]) -> None:
            stats["hits"] = 3

    house, stats = House(Adds(), Harms(), Adds()), {"cpu": 1}
    asyncio.run(house.hooks.extended_stats(AWatcher(), AProcess(), stats))
    assert stats == {"cpu": 1, "hits": 3}
    (event,) = house.events
    assert (event.topic, event.payload()["name"]) == ("watcher.web.hook_failure", "extended_stats")


class Chooses:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    @hookimpl
    def output(self, stream: str, config: StreamConfig | None) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_the_first_that_knows_chooses_the_output() -> None:
    house = House(Chooses("late"), Chooses("early"), Chooses(None), Chooses(ValueError("boom")))
    assert house.hooks.output(AWatcher(), "stdout", None) == "early"
    assert [event.action for event in house.events] == ["hook_failure"]


# -- events ----------------------------------------------------------------------------------------


class Listens:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @hookimpl
    def event(self, event: Event) -> None:
        self.heard.append(event.action)


def test_every_event_is_heard_by_all() -> None:
    house = House(one := Listens(), two := Listens())
    house.publish(SPAWNED)
    assert one.heard == two.heard == ["spawn"]


def test_one_that_publishes_while_it_hears_does_not_hear_itself_but_others_do() -> None:
    house = House(other := Listens())

    class Echoes:
        heard = 0

        @hookimpl
        def event(self, event: Event) -> None:
            self.heard += 1
            house.publish(event)

    house.manager.add(echo := Echoes(), "echo")
    house.publish(SPAWNED)
    assert echo.heard == 1
    assert other.heard == ["spawn", "spawn"]


def test_two_that_answer_each_other_come_to_an_end() -> None:
    house = House()

    class Echoes:
        @hookimpl
        def event(self, event: Event) -> None:
            house.publish(event)

    house.manager.add(Echoes(), "one")
    house.manager.add(Echoes(), "two")
    house.publish(SPAWNED)
    assert len(house.events) == 5


def test_one_that_always_fails_is_reported_once_and_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    class Explodes:
        @hookimpl
        def event(self) -> None:
            raise ValueError("boom")

    house = House(listener := Listens(), Explodes())
    for _ in range(150):
        house.hooks.event(SPAWNED)
    assert listener.heard.count("spawn") == 150
    assert [event.action for event in house.events] == ["hook_failure"]
    assert caplog.text.count("Traceback") == 1
    assert [record.getMessage() for record in caplog.records][1:] == [
        "plugin 'b' of circus-b 1.0 failed in event 10 times, now: boom",
        "plugin 'b' of circus-b 1.0 failed in event 100 times, now: boom",
    ]


def test_a_slow_one_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    house = House()

    class Slow:
        @hookimpl
        def event(self) -> None:
            house.clock.now += 0.2

    house.manager.add(Slow(), "slow", origin="circus-slow 1.0".__str__)
    house.publish(SPAWNED)
    house.publish(SPAWNED)
    assert [record.getMessage() for record in caplog.records] == [
        "plugin 'slow' of circus-slow 1.0 held up everything for 200 ms in event: "
        "it must hand slow work to a thread"
    ]


def test_a_coroutine_in_disguise_is_a_failure_where_nothing_can_be_awaited() -> None:
    async def later() -> None: ...

    class Disguised:
        @hookimpl
        def event(self) -> Awaitable[None]:
            return later()

    house = House(Disguised())
    house.hooks.event(SPAWNED)
    gc.collect()
    assert "write `def`" in house.events[0].payload()["error"]


# -- configuration ---------------------------------------------------------------------------------


class Changes:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def config_loaded(self, config: Config) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(config) if callable(self.answer) else self.answer


def _adds(name: str) -> Changes:
    watcher = WatcherConfig(name=name)
    return Changes(lambda config: replace(config, watchers=(*config.watchers, watcher)))


def test_each_gets_the_configuration_that_the_one_before_made() -> None:
    config = House(_adds("b"), Changes(None), _adds("a")).hooks.config_loaded(Config())
    assert [watcher.name for watcher in config.watchers] == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (ValueError("boom"), "plugin 'a' of circus-a 1.0 failed in config_loaded: boom"),
        (SystemExit(), "plugin 'a' of circus-a 1.0 failed in config_loaded: SystemExit"),
        (ConfigError("circus.ini:3: no port"), "circus.ini:3: no port"),
        ("nonsense", "plugin 'a' of circus-a 1.0 failed in config_loaded: returned a str"),
    ],
)
def test_a_fault_while_the_configuration_is_changed_makes_it_invalid(answer: object, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        House(Changes(answer)).hooks.config_loaded(Config())


class Completes:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def before_add(self, section: WatcherConfig, config: Config) -> Any:
        return self.answer(section) if callable(self.answer) else self.answer


def test_each_gets_the_section_to_be_added_that_the_one_before_made() -> None:
    def numbered(section: WatcherConfig) -> WatcherConfig:
        return replace(section, env={"N": str(len(section.env)), **section.env, "M": "1"})

    hooks = House(Completes(numbered), Completes(None), Completes(numbered)).hooks
    assert hooks.before_add(WatcherConfig(name="late"), Config()).env == {"N": "0", "M": "1"}


@pytest.mark.parametrize("answer", ["nonsense", WatcherConfig(name="other")])
def test_what_is_no_section_of_the_watcher_refuses_it(answer: object) -> None:
    with pytest.raises(ConfigError, match=r"plugin 'a' of circus-a 1\.0 failed in before_add: returned "):
        House(Completes(answer)).hooks.before_add(WatcherConfig(name="late"), Config())


def test_the_first_that_can_reads_the_configuration() -> None:
    class Reads:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        @hookimpl
        def read_config(self, path: Path) -> Any:
            return self.answer

    hooks = House(Reads({"circus": {"a": "late"}}), Reads({"circus": {}}), Reads(None)).hooks
    assert hooks.read_config(Path("x.ini")) == {"circus": {}}
    assert House(Reads(None)).hooks.read_config(Path("x.ini")) is None


def test_watchers_to_make_anew_are_collected() -> None:
    class Names:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        @hookimpl
        def config_diff(self) -> Any:
            return self.answer

    hooks = House(Names(["a", "b"]), Names(None), Names(iter("b"))).hooks
    assert hooks.config_diff(Config(), Config()) == {"a", "b"}


class Declares:
    def __init__(self, *names: str) -> None:
        self.names = names

    @hookimpl
    def register_options(self) -> list[Option]:
        return [Option(name=name, kind=TEXT, doc="") for name in self.names]


def test_declared_options_are_collected() -> None:
    options = House(Declares("x"), Declares("y", "z")).hooks.register_options()
    assert [option.name for option in options] == ["y", "z", "x"]


def test_two_plugins_may_not_declare_the_same_option() -> None:
    expected = (
        "plugin 'a' of circus-a 1.0 failed in register_options: "
        "'x' of [circus] is declared by plugin 'b' of circus-b 1.0 too"
    )
    with pytest.raises(PluginError, match=f"^{re.escape(expected)}$"):
        House(Declares("x"), Declares("x")).hooks.register_options()


def test_a_plain_manager_of_pluggy_does_as_well(caplog: pytest.LogCaptureFixture) -> None:
    import pluggy

    manager = pluggy.PluginManager("circus")
    for spec in SPECS:
        manager.add_hookspecs(spec)
    manager.register(Says(False), "x")
    hooks = Hooks(manager, publish=lambda event: None, clock=FixedClock())
    assert asyncio.run(hooks.before_start(AWatcher())).by == "plugin 'x'"
