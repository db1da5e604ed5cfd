"""Hooks in the life of one process. On the loop; its watcher waits for them, other watchers do not."""

from __future__ import annotations

from circus_core.hookspecs.markers import hookspec
from circus_core.hookspecs.verdict import Answer
from circus_core.views import ProcessView, WatcherView

__all__ = [
    "after_reap",
    "after_signal",
    "after_spawn",
    "before_reap",
    "before_signal",
    "before_spawn",
    "process_ready",
]


@hookspec
def before_spawn(watcher: WatcherView, wid: int) -> Answer:
    """Ask whether a process may be started now.

    When: once per attempt, also for replacements, before anything is forked.

    Args:
        watcher: read-only.
        wid: worker number it would get, from 1; free again once its process is reaped.

    Returns:
        False forbids this attempt and no other; it is made again later. True or None allows it.

    Combining: all are asked; one False is enough.
    Failure: logged, published as `hook_failure`, counted as False.

    Example:
        @hookimpl
        def before_spawn(watcher, wid):
            return psutil.virtual_memory().available > 500_000_000
    """


@hookspec
def after_spawn(watcher: WatcherView, process: ProcessView) -> Answer:
    """Ask whether a process that was just started may stay.

    When: after each spawn, before its `spawn` event is published.

    Args:
        watcher: read-only.
        process: the new process; it may have ended already.

    Returns:
        False stops this process and no other. True or None keeps it.

    Combining: all are asked; one False is enough.
    Failure: logged, published as `hook_failure`, counted as False.

    Example:
        @hookimpl
        def after_spawn(watcher, process):
            join_cgroup(watcher.name, process.pid)
    """


@hookspec
def process_ready(watcher: WatcherView, process: ProcessView) -> None:
    """Note that a process is ready for work.

    When: it became RUNNING: at once after the spawn, or when it said so where readiness is watched.

    Args:
        watcher: read-only.
        process: the process.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def process_ready(watcher, process):
            log.info("%s.%d ready after %.1f s", watcher.name, process.wid, process.age())
    """


@hookspec
def before_signal(watcher: WatcherView, process: ProcessView, signum: int) -> Answer:
    """Ask whether a signal may be sent to a process.

    When: before each signal by a command or a stop; not for children of the process, not for SIGKILL, which
        nothing can forbid.

    Args:
        watcher: read-only.
        process: the process.
        signum: number of the signal.

    Returns:
        False: it is not sent; a stop then ends with SIGKILL after the graceful timeout. True or None allows
        it.

    Combining: all are asked; one False is enough.
    Failure: logged, published as `hook_failure`, counted as True: a fault must not keep a process from
        being stopped.

    Example:
        @hookimpl
        def before_signal(watcher, process, signum):
            return signum != signal.SIGTERM or process.age() > 5
    """


@hookspec
def after_signal(watcher: WatcherView, process: ProcessView, signum: int) -> None:
    """Act after a signal.

    When: after each question of `before_signal`, also if the answer was no.

    Args:
        watcher: read-only.
        process: the process; it may have ended.
        signum: number of the signal.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def after_signal(watcher, process, signum):
            audit.write(f"{watcher.name} {process.pid} got {signum}")
    """


@hookspec
def before_reap(watcher: WatcherView, process: ProcessView) -> None:
    """Act on the end of a process before the watcher forgets it.

    When: its exit was noticed; it is still among `watcher.processes`.

    Args:
        watcher: read-only.
        process: the process; its pid may belong to another one soon, send nothing to it.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def before_reap(watcher, process):
            lifetimes[watcher.name].append(process.age())
    """


@hookspec
def after_reap(watcher: WatcherView, process: ProcessView, exit_code: int) -> None:
    """Act when a process is gone.

    When: after the `reap` event, before a replacement is asked for.

    Args:
        watcher: read-only; the process is no longer among its processes.
        process: what is left of it; its pid may belong to another process by now.
        exit_code: exit status, or minus the number of the signal that killed it.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def after_reap(watcher, process, exit_code):
            if exit_code == -signal.SIGSEGV:
                crashes.report(watcher.name, process.pid)
    """
