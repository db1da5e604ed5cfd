"""Hooks that see what goes on: events, figures, output. On the loop."""

from __future__ import annotations

from typing import Any

from circus_core.config.model import StreamConfig
from circus_core.events import Event
from circus_core.hookspecs.markers import hookspec
from circus_core.views import ProcessView, WatcherView

__all__ = ["event", "extended_stats", "output"]


@hookspec
def event(event: Event) -> None:
    """See every event that is published.

    When: on the loop, for each event, in their order. A plain function that returns at once, since
        everybody waits for it; one that takes longer than 50 ms is named in the log. Hand slow work to a
        thread or a task.

    Args:
        event: frozen; `type(event)` or `event.action` tells which, `event.payload()` is what clients get.

    Returns:
        nothing.

    Combining: all are called. An implementation is not told of events that are published while it runs, so
        that it may publish without hearing itself.
    Failure: the first is logged and published as `hook_failure`, later ones are counted in the log.

    Example:
        @hookimpl
        def event(event):
            counts[event.action] += 1
    """


@hookspec
def extended_stats(watcher: WatcherView, process: ProcessView, stats: dict[str, Any]) -> None:
    """Add figures of your own to the statistics of a process.

    When: a client asked for extended `stats`; once per process.

    Args:
        watcher: read-only.
        process: the process the figures are about.
        stats: what was measured so far. Change it in place; keys are text, values must fit into JSON.

    Returns:
        nothing.

    Combining: all are called, one after the other, with the same mapping.
    Failure: logged and published as `hook_failure`; the answer has the figures of the others.

    Example:
        @hookimpl
        def extended_stats(watcher, process, stats):
            stats["open_files"] = len(os.listdir(f"/proc/{process.pid}/fd"))
    """


@hookspec
def output(watcher: WatcherView, stream: str, config: StreamConfig | None) -> Any:
    """Choose where the output of a watcher's processes goes.

    When: a watcher opens its streams, before a class is looked up by the name in the configuration. A plain
        function.

    Args:
        watcher: read-only.
        stream: "stdout" or "stderr".
        config: what the section says about this stream, None if it says nothing.

    Returns:
        A stream object, as a class of `circus.streams` makes them; the watcher opens and closes it. None
        leaves the choice to the others.

    Combining: asked one after the other; the first answer that is not None wins.
    Failure: logged and published as `hook_failure`, counted as None.

    Example:
        @hookimpl
        def output(watcher, stream, config):
            return Journal(watcher.name, stream) if config is None else None
    """
