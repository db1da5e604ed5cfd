"""Names of code in a file - streams, backends, plugins, hook functions: do they stand for anything?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from circus_core.config.model import StreamConfig, WatcherConfig
from circus_core.config.overflow import MERGED
from circus_core.config.problems import Level, Report
from circus_core.config.raw import RawSection

__all__ = ["Names", "check_plugin_name", "check_watcher_names"]


class Names(Protocol):
    """Looks names up. A complaint is what a person reads, empty if there is none. Both may import modules."""

    def driver(self, namespace: str, name: str) -> str:
        """Return what keeps a name from being used in a namespace such as `circus.streams`."""

    def hooks(self, config: WatcherConfig) -> Mapping[str, str]:
        """Return the complaints about the functions of a watcher, by the name of the hook."""


def check_watcher_names(config: WatcherConfig, section: RawSection, names: Names, report: Report) -> None:
    """Report every name of code in a watcher's section that can't be used."""
    if "backend" in section.values:
        _report("backend", config.backend, names.driver("circus.backends", config.backend), section, report)
    for family, stream in (("stdout_stream", config.stdout_stream), ("stderr_stream", config.stderr_stream)):
        is_merged = stream is not None and family == "stderr_stream" and stream.class_name == MERGED
        if stream is not None and stream.stream is None and not is_merged:
            _check_stream(family, stream, section, names, report)
    if config.hooks:
        for hook, complaint in names.hooks(config).items():
            _report(f"hooks.{hook}", str(config.hooks[hook].target), complaint, section, report)


def check_plugin_name(use: str, section: RawSection, names: Names, report: Report) -> None:
    """Report a plugin class that can't be found."""
    _report("use", use, names.driver("circus.plugins", use), section, report)


def _check_stream(
    family: str, stream: StreamConfig, section: RawSection, names: Names, report: Report
) -> None:
    """A section without a class has other options of the stream, which are why there must be a class."""
    written = [key for key in section.values if key.startswith(f"{family}.")]
    key = next((key for key in written if key == f"{family}.class"), written[0] if written else family)
    _report(key, stream.class_name, names.driver("circus.streams", stream.class_name), section, report)


def _report(key: str, name: str, complaint: str, section: RawSection, report: Report) -> None:
    if complaint:
        report.add(Level.ERROR, section.place_of(key), f"{key}: {complaint}", option=key, value=name)
