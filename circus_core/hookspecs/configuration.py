"""Hooks around the configuration. They are plain functions: most run before there is a loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_core.config.model import Config, WatcherConfig
from circus_core.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from circus_core.config.options import Option

__all__ = ["before_add", "config_diff", "config_loaded", "read_config", "register_options"]


@hookspec
def register_options() -> Iterable[Option] | None:
    """Declare options of the configuration file that a package understands.

    When: once, before the file is read, and by whatever lists the options. Before the loop runs.

    Args:
        none.

    Returns:
        The declarations. Values of declared options arrive converted and checked in `options` of the
        configuration they stand in; a name that nobody declares stays text. None declares nothing.

    Combining: all declarations are used; two of the same name in one kind of section are an error.
    Failure: the daemon does not start; the error names the package.

    Example:
        @hookimpl
        def register_options():
            return [my_options.LISTEN, my_options.THEME]
    """


@hookspec
def read_config(path: Path) -> Mapping[str, Mapping[str, Any]] | None:
    """Read a configuration in the kernel's place: from a service, or in a form no reader knows.

    When: at start and at each `reloadconfig`, before a reader is chosen by the ending of the file. Before
        the loop runs, or on a worker thread; it may block.

    Args:
        path: what the user gave as the configuration file; it need not exist.

    Returns:
        Sections by header as in a file (`watcher:web`), each from option to text, number, bool or list. None
        leaves the file to the others.

    Combining: asked one after the other; the first answer that is not None wins.
    Failure: the configuration counts as unreadable; the error names the package. Raise ConfigError for a
        fault that the user can mend: its text is shown as it is.

    Example:
        @hookimpl
        def read_config(path):
            if path.suffix != ".jsonnet":
                return None
            return json.loads(evaluate(path))
    """


@hookspec
def config_loaded(config: Config) -> Config | None:
    """Change a configuration that was read and found valid: add watchers, sockets, plugins.

    When: after each reading, at start and at `reloadconfig`, before anything is made from it. Before the
        loop runs, or on a worker thread; it may block. Must give the same answer for the same
        configuration, or `reloadconfig` finds changes where there are none.

    Args:
        config: the configuration as the implementation called before left it; frozen.

    Returns:
        A new Config that replaces it, or None to leave it as it is.

    Combining: chained, each gets what the one before returned.
    Failure: the configuration counts as invalid; the error names the package. Raise ConfigError for a fault
        that the user can mend: its text is shown as it is.

    Example:
        @hookimpl
        def config_loaded(config):
            if not config.arbiter.options.get("beacon"):
                return None
            beacon = WatcherConfig(name="beacon", cmd="beacon --forever", copy_env=True)
            return dataclasses.replace(config, watchers=(*config.watchers, beacon))
    """


@hookspec
def before_add(section: WatcherConfig, config: Config) -> WatcherConfig | None:
    """Change the section of a watcher that a client adds, as `config_loaded` does to those of the file.

    When: at the command `add`, when the section was found valid, before the watcher is made from it. On the
        loop: compute, read nothing.

    Args:
        section: as the implementation called before left it; frozen.
        config: the configuration in force; frozen.

    Returns:
        A section of the same name that replaces it, or None to leave it as it is.

    Combining: chained, each gets what the one before returned.
    Failure: the command is refused; the error names the package. Raise ConfigError to refuse it on purpose.

    Example:
        @hookimpl
        def before_add(section, config):
            team = config.arbiter.options.get("team", "")
            return dataclasses.replace(section, env={**section.env, "TEAM": team})
    """


@hookspec
def config_diff(old: Config, new: Config) -> Iterable[str] | None:
    """Name watchers that a reload must make anew although their sections did not change.

    When: at `reloadconfig`, after `config_loaded`, also when the changes are only shown. On the loop:
        compare values, read nothing.

    Args:
        old: the configuration in force.
        new: the one to be put in force.

    Returns:
        Names of watchers of `new`; unknown ones are ignored. None adds nothing.

    Combining: the union of all answers.
    Failure: the reload is refused and nothing is changed; the error names the package. Raise ConfigError to
        refuse it on purpose.

    Example:
        @hookimpl
        def config_diff(old, new):
            if old.arbiter.options.get("region") != new.arbiter.options.get("region"):
                return [watcher.name for watcher in new.watchers]
            return None
    """
