"""circus.plugins: the classes as they were subclassed, and command lines of plugins."""

from __future__ import annotations

import importlib
import re
import shlex
import signal
from importlib.metadata import entry_points

import pytest

from circus.plugins import CircusPlugin, get_plugin_cmd
from circus.plugins.flapping import Flapping
from circus.plugins.resource_watcher import ResourceWatcher
from circus.plugins.statsd import BaseObserver, StatsdEmitter
from circus.plugins.watchdog import WatchDog
from circus_core import ReceivedEvent

CONFIG = "name:plugin:mine:::say:it's $HOME"
ENDPOINTS = ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", 5.0)


@pytest.mark.parametrize(
    "name", [entry.name for entry in entry_points(group="circus.plugins") if entry.name.startswith("circus.")]
)
def test_an_old_name_is_a_class_that_is_the_installed_one_or_built_on_it(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    old = getattr(importlib.import_module(module), attribute)
    (entry,) = entry_points(group="circus.plugins", name=name)
    assert issubclass(old, entry.load())
    assert issubclass(old, CircusPlugin)


def test_a_subclass_with_a_handle_recv_gets_events_by_it() -> None:
    class Quiet(WatchDog):
        def handle_recv(self, data: list[bytes]) -> None:
            pass

    class Loud(Quiet):
        pass

    class Hears:
        def handle_recv(self, data: list[bytes]) -> None:
            pass

    class Mixed(Hears, WatchDog):
        pass

    class Modern(WatchDog):
        def handle_event(self, event: ReceivedEvent) -> None:
            pass

    assert WatchDog.handle_event is not CircusPlugin.handle_event
    assert Modern.handle_event is not CircusPlugin.handle_event
    for each in (Quiet, Loud, Mixed):
        assert each.handle_event is CircusPlugin.handle_event


def test_the_inherited_handle_recv_does_what_the_plugin_does() -> None:
    class Emitter(StatsdEmitter):
        def handle_recv(self, data: list[bytes]) -> None:
            super().handle_recv(data)

    counted: list[str] = []
    plugin = Emitter(*ENDPOINTS)
    plugin.statsd.increment = lambda bucket, **_: counted.append(bucket)  # type: ignore[method-assign]
    plugin.handle_recv([b"watcher.web.spawn", b'{"process_pid": 1}'])
    plugin.handle_stop()
    assert counted == ["web.spawn"]


def test_an_observer_has_the_pace_that_it_sets() -> None:
    observer = BaseObserver(*ENDPOINTS, loop_rate="5")
    assert observer.loop_rate == 5
    observer.loop_rate = 2
    assert observer.loop_rate == 2
    observer.handle_stop()


def test_options_are_attributes_with_the_values_that_count() -> None:
    class Mine(Flapping):
        pass

    flapping = Mine(*ENDPOINTS, attempts="3", retry_in="2", active="yes")
    assert (flapping.attempts, flapping.window, flapping.retry_in, flapping.max_retry) == (3, 1.0, 2.0, 5)
    assert flapping.active is True
    dog = WatchDog(*ENDPOINTS, loop_rate="2", watchers_regex="web.*", watchers_stop_signal="INT")
    assert (dog.loop_rate, dog.max_count, dog.ip, dog.port) == (2.0, 3, "127.0.0.1", 1664)
    assert re.match(dog.watchers_regex, "web1")
    assert dog.watchers_stop_signal == signal.SIGINT
    observer = ResourceWatcher(*ENDPOINTS, service="web", max_mem="1K", min_cpu="5")
    assert (observer.watcher, observer.max_mem, observer.min_mem, observer.max_cpu) == ("web", 1024, None, 90)
    assert (observer.min_cpu, observer.loop_rate, observer.process_children) == (5, 60, False)
    observer.handle_stop()
    for plugin in (flapping, dog, observer):
        assert not hasattr(plugin, "colour")


def test_a_command_line_is_quoted_and_leaves_the_configuration_alone() -> None:
    config = {"use": "my.Plugin", "name": "plugin:mine", "say": "it's $HOME"}
    words = shlex.split(get_plugin_cmd(config, *ENDPOINTS, "me@there", debug=True, logoutput="a b"))
    assert words[1:3] == ["-c", "from circus import plugins;plugins.main()"]
    assert words[3:7] == ["--endpoint", "tcp://127.0.0.1:1", "--pubsub", "tcp://127.0.0.1:2"]
    assert words[7:13] == ["--check-delay", "5.0", "--ssh", "me@there", "--config", CONFIG]
    assert words[13:] == ["--log-level", "DEBUG", "--log-output", "a b", "my.Plugin"]
    assert config["use"] == "my.Plugin"
