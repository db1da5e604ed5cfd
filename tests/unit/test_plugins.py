import re

import pytest

from circus_core.errors import PluginError
from circus_core.hookspecs import SPECS, hookimpl
from circus_core.plugins import HookPlugins, plugin_manager
from tests.packages import Installer, installer

__all__ = ["installer"]

GOOD = """
from circus_core.hookspecs import hookimpl

@hookimpl
def before_start(watcher):
    return False
"""


def install(installer: Installer, name: str, source: str, distribution: str = "circus-x") -> None:
    installer.module(f"{name}_module", source)
    installer.package(distribution, f"[circus]\n{name} = {name}_module\n")


def test_an_installed_plugin_is_found(installer: Installer) -> None:
    install(installer, "night", GOOD)
    manager = plugin_manager()
    assert manager.hook.before_start(watcher=None) == [False]
    assert manager.label("night") == "plugin 'night' of circus-x 0.1.0"


def test_a_class_is_instantiated(installer: Installer) -> None:
    installer.module(
        "day_module",
        "from circus_core.hookspecs import hookimpl\n"
        "class Day:\n    @hookimpl\n    def before_start(self):\n        return True\n",
    )
    installer.package("circus-x", "[circus]\nday = day_module:Day\n")
    assert plugin_manager().hook.before_start(watcher=None) == [True]


@pytest.mark.parametrize(
    "means",
    [
        "before_start = Day().before_start",
        "before_start = staticmethod(hookimpl(lambda watcher: True))",
        "@hookimpl(specname='before_start')\ndef _early(watcher):\n    return True",
    ],
)
def test_whatever_a_module_holds_that_is_a_function_may_be_a_hook(installer: Installer, means: str) -> None:
    install(
        installer,
        "night",
        "from circus_core.hookspecs import hookimpl\n"
        "class Day:\n    @hookimpl\n    def before_start(self, watcher):\n        return True\n" + means,
    )
    assert plugin_manager().hook.before_start(watcher=None) == [True]


def test_a_blocked_plugin_is_not_even_imported(installer: Installer) -> None:
    install(installer, "broken", "import no_such_module")
    manager = plugin_manager(blocked=["broken"])
    assert not manager.has_plugin("broken")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("1 / 0", "division by zero"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_a_broken_plugin_is_an_error_that_names_its_distribution(
    installer: Installer, source: str, reason: str
) -> None:
    install(installer, "statistics_x", source)
    expected = f"plugin 'statistics_x' of circus-x 0.1.0 failed to load: {reason}"
    with pytest.raises(PluginError, match=f"^{re.escape(expected)}$"):
        plugin_manager()


def test_a_misspelt_hook_is_an_error_that_names_the_nearest(installer: Installer) -> None:
    install(installer, "night", GOOD.replace("before_start", "befor_start"))
    expected = (
        "plugin 'night' of circus-x 0.1.0 can't be used: there is no hook 'befor_start', "
        "did you mean 'before_start'?"
    )
    with pytest.raises(PluginError, match=f"^{re.escape(expected)}$"):
        plugin_manager()


def test_an_unknown_argument_is_an_error_that_names_those_offered(installer: Installer) -> None:
    install(installer, "night", GOOD.replace("(watcher)", "(watcher, slot)"))
    with pytest.raises(PluginError, match=r"'before_start' asks for an argument 'slot', it offers watcher$"):
        plugin_manager()


def test_all_faults_of_a_plugin_are_named_at_once() -> None:
    class Plugin:
        @hookimpl
        def before_strat(self) -> None: ...

        @hookimpl
        def before_stop(self, wat: object) -> None: ...

    with pytest.raises(PluginError, match=r"'before_stop' asks for .*; there is no hook 'before_strat'"):
        HookPlugins().add(Plugin(), "x")


def test_nothing_of_a_refused_plugin_stays() -> None:
    class Plugin:
        @hookimpl
        def before_start(self) -> bool:
            return False

        @hookimpl
        def before_strat(self) -> None: ...

    manager = HookPlugins()
    with pytest.raises(PluginError):
        manager.add(Plugin(), "x")
    assert manager.hook.before_start(watcher=None) == []
    assert not manager.has_plugin("x")


def test_an_argument_by_keyword_only_is_refused() -> None:
    class Plugin:
        @hookimpl
        def before_start(self, *, watcher: object) -> None: ...

    with pytest.raises(PluginError, match="takes 'watcher' by keyword only"):
        HookPlugins().add(Plugin(), "x")


def test_a_default_of_its_own_is_allowed() -> None:
    class Plugin:
        @hookimpl
        def before_start(self, watcher: object, limit: int = 3) -> bool:
            return limit == 3

    manager = HookPlugins()
    manager.add(Plugin(), "x")
    assert manager.hook.before_start(watcher=None) == [True]


def test_a_wrapper_is_refused() -> None:
    class Plugin:
        @hookimpl(wrapper=True)
        def before_start(self):  # type: ignore[no-untyped-def]  # not called
            return (yield)

    with pytest.raises(PluginError, match="'before_start' is a hook wrapper"):
        HookPlugins().add(Plugin(), "x")


@pytest.mark.parametrize("optional", [True, False])
def test_a_hook_of_another_version_is_accepted_only_if_it_is_marked_optional(optional: bool) -> None:
    class Plugin:
        @hookimpl(optionalhook=optional)
        def from_the_future(self) -> None: ...

    if optional:
        HookPlugins().add(Plugin(), "x")
        return
    with pytest.raises(PluginError, match="there is no hook 'from_the_future'"):
        HookPlugins().add(Plugin(), "x")


def test_a_coroutine_is_refused_where_nothing_can_be_awaited() -> None:
    class Plugin:
        @hookimpl
        async def event(self) -> None: ...

    with pytest.raises(PluginError, match="'event' is called where nothing can be awaited, write `def`"):
        HookPlugins().add(Plugin(), "x")


def test_two_distributions_with_the_same_plugin_name_are_an_error(installer: Installer) -> None:
    install(installer, "night", GOOD)
    installer.package("circus-y", "[circus]\nnight = other\n")
    with pytest.raises(PluginError, match=r"'night' is provided by circus-\w 0.1.0 and by circus-\w 0.1.0"):
        plugin_manager()


def test_the_same_plugin_seen_twice_on_the_path_is_loaded_once(installer: Installer) -> None:
    install(installer, "night", GOOD)
    installer.package("circus-x", "[circus]\nnight = night_module\n", version="0.2.0")
    assert plugin_manager().hook.before_start(watcher=None) == [False]


def test_plugins_are_asked_in_reverse_order_of_their_names(installer: Installer) -> None:
    for name in ("b", "c", "a"):
        install(installer, name, GOOD.replace("False", repr(name)), distribution=f"circus-{name}")
    assert plugin_manager().hook.before_start(watcher=None) == ["c", "b", "a"]


def test_a_name_that_is_taken_is_refused_and_leaves_the_first_alone() -> None:
    class Plugin:
        @hookimpl
        def before_start(self) -> bool:
            return False

    manager = HookPlugins()
    manager.add(Plugin(), "x")
    with pytest.raises(PluginError, match="plugin 'x' can't be used: it is registered already"):
        manager.add(Plugin(), "x")
    assert manager.hook.before_start(watcher=None) == [False]


def test_every_specification_is_known_to_the_manager() -> None:
    manager = HookPlugins()
    for module in SPECS:
        for name in module.__all__:
            assert getattr(manager.hook, name).has_spec()
