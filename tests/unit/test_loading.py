"""Names of code in a file are looked up when it is read, and hook plugins have their say."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from circus_core.config.load import LoadResult
from circus_core.config.model import WatcherConfig
from circus_core.config.units import Kind
from circus_core.drivers import Drivers
from circus_core.errors import DriverError, PluginError
from circus_core.loading import check_config, load_config
from circus_core.plugins import HookPlugins, plugin_manager
from tests.packages import Installer, installer
from tests.unit.config.loading import messages_of, result_of

__all__ = ["installer"]


def loaded(folder: Path, text: str, plugins: HookPlugins | None = None) -> LoadResult:
    path = folder / "circus.ini"
    path.write_text(text)
    return load_config(path, plugins=plugins or plugin_manager(), drivers=Drivers())


def messages(folder: Path, text: str) -> list[str]:
    """Return the problems, without the folder."""
    return [str(problem).removeprefix(f"{folder}/") for problem in loaded(folder, text).problems]


def test_classes_by_dotted_path_are_imported(installer: Installer, tmp_path: Path) -> None:
    installer.module("shop", "class Stream: pass\nclass Plugin: pass\ndef backend(**_): pass\n")
    text = (
        "[watcher:web]\ncmd = x\nstdout_stream.class = shop.Stream\nstderr_stream.class = shop:Stream\n"
        "backend = shop.backend\n[plugin:p]\nuse = shop.Plugin\n"
    )
    assert messages(tmp_path, text) == []


def test_each_name_that_is_wrong_is_told_with_its_line(installer: Installer, tmp_path: Path) -> None:
    installer.module("shop", "number = 1\n")
    text = (
        "[watcher:web]\ncmd = x\nstdout_stream.class = shop.Gone\nstderr_stream.class = shop.number\n"
        "backend = shop.gone\nhooks.after_start = shop.number\n[plugin:p]\nuse = shop.Gone\n"
    )
    assert messages(tmp_path, text) == [
        "circus.ini:3: watcher 'web': stdout_stream.class: stream class 'shop.Gone' can't be used: "
        "module 'shop' has no 'Gone'",
        "circus.ini:4: watcher 'web': stderr_stream.class: 'shop.number' must name a class, "
        "it is of type int",
        "circus.ini:5: watcher 'web': backend: backend 'shop.gone' can't be used: "
        "module 'shop' has no 'gone'",
        "circus.ini:6: watcher 'web': hooks.after_start: shop.number must be a function, it is of type int",
        "circus.ini:8: plugin 'p': use: plugin class 'shop.Gone' can't be used: module 'shop' has no 'Gone'",
    ]


def test_hook_functions_are_found_in_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", sys.path[:])
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shop_of_env.py").write_text("def ready(**_):\n    return True\n")
    text = (
        "[watcher:web]\ncmd = x\nhooks.before_start = shop_of_env.ready\n"
        f"[env:web]\nPYTHONPATH = {tmp_path}/code\n"
    )
    assert messages(tmp_path, text) == []


def test_a_watcher_with_other_errors_has_its_names_checked_too(tmp_path: Path) -> None:
    text = "[watcher:web]\ncmd = x\nnumprocesses = y\nhooks.before_start = no_such_module.f\n"
    assert [message.split(": ")[2] for message in messages(tmp_path, text)] == [
        "numprocesses must be a whole number >= 0, got 'y'",
        "hooks.before_start",
    ]


def test_options_of_a_stream_without_a_class_need_the_default_one() -> None:
    class Nothing:
        def driver(self, namespace: str, name: str) -> str:
            return f"no {name} in {namespace}"

        def stream_options(self, name: str) -> tuple[str, ...]:
            return ()

        def stream_complaint(self, name: str, options: Mapping[str, object]) -> str:
            return ""

        def plugin_options(self, use: str) -> Mapping[str, Kind]:
            return {}

        def hooks(self, config: WatcherConfig) -> Mapping[str, str]:
            return {}

    text = "[watcher:web]\ncmd = x\nstdout_stream.filename = log\nstdout_stream.max_bytes = 9\n"
    assert messages_of(text, names=Nothing()) == [
        "circus.ini:3: watcher 'web': stdout_stream.filename: no default in circus.streams"
    ]
    assert result_of(text).config is not None


def test_a_stream_of_ones_own_is_checked_if_it_says_how_and_never_made(
    installer: Installer, tmp_path: Path
) -> None:
    installer.module(
        "shop",
        "class Stream:\n"
        "    def __init__(self, size=0, colour=None, **rest): raise AssertionError('made')\n"
        "    @staticmethod\n"
        "    def check_options(options):\n"
        "        if 'size' in options: int(options['size'])\n"
        "        if 'colour' in options: raise ValueError('colour must be red')\n"
        "class Heir(Stream): pass\n",
    )
    text = (
        "[watcher:web]\ncmd = x\nstdout_stream.class = shop.Stream\nstdout_stream.size = 1x\n"
        "stderr_stream.class = shop.Heir\nstderr_stream.size = 2x\nstderr_stream.shape = 1\n"
        "[watcher:job]\ncmd = x\nstdout_stream.class = shop.Stream\nstdout_stream.colour = blue\n"
        "stdout_stream.shape = round\nstdout_stream.overflow_after = 3\n"
    )
    assert messages(tmp_path, text) == [
        "circus.ini:3: watcher 'web': stdout_stream: shop.Stream refused its options: "
        "invalid literal for int() with base 10: '1x'",
        "circus.ini:11: watcher 'job': stdout_stream.colour must be red",
        "circus.ini:12: watcher 'job': stdout_stream.shape is ignored: shop.Stream has no such option; "
        "it has size, colour",
    ]


def test_a_plugin_of_an_installed_package_is_not_imported(installer: Installer, tmp_path: Path) -> None:
    installer.module("heavy", "raise RuntimeError('imported')\n")
    installer.package(
        "circus-heavy", "[circus.plugins]\nheavy = heavy:Plugin\ncircus.old.Heavy = heavy:Plugin\n"
    )
    assert messages(tmp_path, "[plugin:a]\nuse = heavy\n[plugin:b]\nuse = circus.old.Heavy\n") == []


PLUGIN_SECTION = (
    "[plugin:a]\nuse = {use}\nsiez = 3\nsize = big\ncolour = $(circus.env.NO_SUCH)\nshape = round\n"
    "prioritty = 1\nempty = \nname = x\nnice = 3\nrlimit_nofile = 9\nhang_timeout = 5\n"
)


def complaints_about(use: str) -> list[str]:
    """Return what is said of PLUGIN_SECTION, if the plugin has the options of DECLARED."""
    return [
        f"circus.ini:3: plugin 'a': siez is ignored: {use} has no such option; write size",
        "circus.ini:4: plugin 'a': size must be a whole number, got 'big'",
        "circus.ini:5: plugin 'a': colour must be a whole number, got '$(circus.env.NO_SUCH)'; "
        "the variable NO_SUCH is not set",
        f"circus.ini:6: plugin 'a': shape is ignored: {use} has no such option; it has size, colour, empty",
        f"circus.ini:7: plugin 'a': prioritty is ignored: {use} has no such option; write priority",
    ]


DECLARED = "from circus_core import whole\nKINDS = dict.fromkeys(('size', 'colour', 'empty'), whole())\n"


def test_options_of_a_plugin_are_checked_by_what_its_class_declares(
    installer: Installer, tmp_path: Path
) -> None:
    installer.module("shop", f"{DECLARED}class Plugin:\n    option_kinds = KINDS\nclass Heir(Plugin): pass\n")
    assert messages(tmp_path, PLUGIN_SECTION.format(use="shop.Plugin")) == complaints_about("shop.Plugin")
    assert messages(tmp_path, PLUGIN_SECTION.format(use="shop.Heir")) == []
    switched_off = PLUGIN_SECTION.format(use="shop.Plugin") + "active = False\n"
    assert messages(tmp_path, switched_off) == []


def test_options_of_a_plugin_are_checked_by_what_its_package_declares_without_importing_it(
    installer: Installer, tmp_path: Path
) -> None:
    installer.module("heavy", "raise RuntimeError('imported')\n")
    installer.module("light", DECLARED)
    installer.package(
        "circus-heavy",
        "[circus.plugins]\nheavy = heavy:Plugin\n[circus.plugin_options]\nheavy = light:KINDS\n",
    )
    assert messages(tmp_path, PLUGIN_SECTION.format(use="heavy")) == complaints_about("heavy")


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ("shop:GONE", "declaration 'bell' of circus-bell 0.1.0 failed to load: "),
        ("shop:NAMES", "they are declared by something else than a mapping of names to Kind"),
    ],
)
def test_a_plugin_whose_declaration_can_not_be_used_takes_all_options(
    installer: Installer, tmp_path: Path, declared: str, reason: str
) -> None:
    installer.module("shop", "NAMES = ['size']\nclass Plugin: pass\n")
    installer.package(
        "circus-bell",
        f"[circus.plugins]\nbell = shop:Plugin\n[circus.plugin_options]\nbell = {declared}\n",
    )
    result = loaded(tmp_path, "[plugin:a]\nuse = bell\nsiez = 3\n")
    (problem,) = result.problems
    assert str(problem).startswith(
        f"{tmp_path}/circus.ini:2: plugin 'a': the options of bell can't be checked: {reason}"
    )
    assert result.config is not None


def test_a_plugin_that_two_packages_provide_is_refused(installer: Installer, tmp_path: Path) -> None:
    installer.package("circus-one", "[circus.plugins]\nsame = one:Plugin\n")
    installer.package("circus-two", "[circus.plugins]\nsame = two:Plugin\n")
    (message,) = messages(tmp_path, "[plugin:a]\nuse = same\n")
    assert message.endswith(
        "plugin class 'same' is provided by circus-one 0.1.0 and by circus-two 0.1.0: uninstall one of them"
    )
    with pytest.raises(DriverError, match="uninstall one of them"):
        Drivers().is_provided("circus.plugins", "same")


def test_a_plugin_that_is_switched_off_may_be_missing(tmp_path: Path) -> None:
    assert messages(tmp_path, "[plugin:a]\nuse = not_there\nactive = False\n") == []


ADDING = """
from dataclasses import replace
from circus_core import ConfigError, WatcherConfig, hookimpl

@hookimpl
def config_loaded(config):
    if config.arbiter.loglevel == "error":
        raise ConfigError("the plugin will not have it")
    added = WatcherConfig(name="added", cmd="x --level " + config.arbiter.loglevel)
    return replace(config, watchers=(*config.watchers, added))
"""


def install_adding_plugin(installer: Installer) -> None:
    installer.module("adding", ADDING)
    installer.package("circus-adding", "[circus]\nadding = adding\n")


def test_what_the_command_line_sets_reaches_hook_plugins(installer: Installer, tmp_path: Path) -> None:
    install_adding_plugin(installer)
    path = tmp_path / "circus.ini"
    path.write_text("[circus]\nloglevel = error\n")
    result = load_config(
        path, plugins=plugin_manager(), drivers=Drivers(), overrides={"loglevel": "debug", "pidfile": "p"}
    )
    assert result.config is not None
    assert (result.config.arbiter.loglevel, result.config.arbiter.pidfile) == ("debug", "p")
    assert [watcher.cmd for watcher in result.config.watchers] == ["x --level debug"]


def test_a_hook_plugin_that_refuses_is_a_problem_of_the_file(installer: Installer, tmp_path: Path) -> None:
    install_adding_plugin(installer)
    result = loaded(tmp_path, "[circus]\nloglevel = error\n")
    assert result.config is None
    assert [str(problem) for problem in result.problems] == [
        f"{tmp_path}/circus.ini: the plugin will not have it"
    ]


def test_a_check_shows_what_hook_plugins_add(installer: Installer, tmp_path: Path) -> None:
    install_adding_plugin(installer)
    (tmp_path / "circus.ini").write_text("[circus]\n")
    result = check_config(tmp_path / "circus.ini")
    assert result.config is not None
    assert [watcher.name for watcher in result.config.watchers] == ["added"]


def test_a_check_makes_a_problem_of_a_hook_plugin_that_fails(installer: Installer, tmp_path: Path) -> None:
    installer.module("broken", "raise ValueError('no')\n")
    installer.package("circus-broken", "[circus]\nbroken = broken\n")
    result = check_config(tmp_path / "circus.ini")
    assert result.config is None
    assert [str(p) for p in result.problems] == ["plugin 'broken' of circus-broken 0.1.0 failed to load: no"]
    with pytest.raises(PluginError, match=re.escape("circus-broken 0.1.0")):
        plugin_manager()
