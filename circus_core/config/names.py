"""Names of code in a file - streams, backends, plugins, hook functions: do they stand for anything?

And do the streams take their options, which options have plugins?
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from circus_core.config.misspelling import Speller
from circus_core.config.model import StreamConfig, WatcherConfig
from circus_core.config.overflow import KERNEL_KEYS, MERGED
from circus_core.config.problems import Level, Report
from circus_core.config.raw import RawSection
from circus_core.config.units import Kind

__all__ = ["Names", "check_plugin_name", "check_watcher_names"]


class Names(Protocol):
    """Looks names up. A complaint is what a person reads, empty if there is none. All may import modules."""

    def driver(self, namespace: str, name: str) -> str:
        """Return what keeps a name from being used in a namespace such as `circus.streams`."""

    def stream_options(self, name: str) -> Collection[str]:
        """Return the options that a stream class has; empty if it does not let them be checked."""

    def stream_complaint(self, name: str, options: Mapping[str, Any]) -> str:
        """Return why a stream class refuses these options; nothing from one that can't be checked."""

    def plugin_options(self, use: str) -> Mapping[str, Kind]:
        """Return the options that a plugin declares; empty if it does not. Raises DriverError: in vain."""

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
    complaint = names.driver("circus.streams", stream.class_name)
    _report(key, stream.class_name, complaint, section, report)
    if not complaint:
        _check_stream_options(family, key, stream, section, names, report)


def _check_stream_options(
    family: str, class_key: str, stream: StreamConfig, section: RawSection, names: Names, report: Report
) -> None:
    known = names.stream_options(stream.class_name)
    complaint = names.stream_complaint(stream.class_name, stream.options)
    if complaint:
        option = complaint.partition(" ")[0]
        is_about_one = option in known
        key = f"{family}.{option}" if f"{family}.{option}" in section.values else class_key
        start = f"{family}." if is_about_one else f"{family}: {stream.class_name} refused its options: "
        report.add(
            Level.ERROR,
            section.place_of(key),
            f"{start}{complaint}",
            option=f"{family}.{option}" if is_about_one else key,
            value=stream.options.get(option),
        )
    for option in stream.options if known else ():
        if option not in known and option not in KERNEL_KEYS:
            key = f"{family}.{option}"
            near = Speller({*known, *KERNEL_KEYS}, is_strict=False).nearest(option)
            report.doubt(
                section.place_of(key),
                f"{key} is ignored: {stream.class_name} has no such option",
                option=key,
                suggestion=f"write {family}.{near}" if near else f"it has {', '.join(known)}",
            )


def _report(key: str, name: str, complaint: str, section: RawSection, report: Report) -> None:
    if complaint:
        report.add(Level.ERROR, section.place_of(key), f"{key}: {complaint}", option=key, value=name)
