"""Hooks in the life of one watcher. On the loop; a watcher waits for its hooks, others do not."""

from __future__ import annotations

from circus_core.hookspecs.markers import hookspec
from circus_core.hookspecs.verdict import Answer
from circus_core.views import ArbiterView, WatcherView

__all__ = [
    "after_reload",
    "after_resize",
    "after_start",
    "after_stop",
    "before_reload",
    "before_start",
    "before_stop",
    "function_views",
]


@hookspec
def before_start(watcher: WatcherView) -> Answer:
    """Ask whether a stopped watcher may start.

    When: before it leaves `stopped`; also in a restart, after the stop.

    Args:
        watcher: read-only.

    Returns:
        False forbids the start, the watcher stays stopped. True or None allows it.

    Combining: all are asked; one False is enough.
    Failure: logged, published as `hook_failure`, counted as False.

    Example:
        @hookimpl
        def before_start(watcher):
            return not Path("/run/maintenance").exists()
    """


@hookspec
def after_start(watcher: WatcherView) -> Answer:
    """Ask whether a watcher whose processes came up is good to go.

    When: after all its processes were spawned, before it becomes `active`.

    Args:
        watcher: read-only; its processes run.

    Returns:
        False takes the start back: the watcher is stopped. True or None agrees.

    Combining: all are asked; one False is enough.
    Failure: logged, published as `hook_failure`, counted as False.

    Example:
        @hookimpl
        async def after_start(watcher):
            return await answers(watcher.config.options["health_url"])
    """


@hookspec
def before_stop(watcher: WatcherView) -> None:
    """Act before the processes of a watcher are told to stop.

    When: a stop begins, whatever the reason; the processes run.

    Args:
        watcher: read-only.

    Returns:
        nothing; a stop can't be forbidden.

    Combining: all are called, one after the other; the stop waits for coroutines, at most for their
        timeout.
    Failure: logged and published as `hook_failure`; the stop goes on.

    Example:
        @hookimpl
        async def before_stop(watcher):
            await load_balancer.remove(watcher.name)
    """


@hookspec
def after_stop(watcher: WatcherView) -> None:
    """Act when a watcher has stopped.

    When: after the last process is reaped and the `stop` event is published.

    Args:
        watcher: read-only, without processes.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def after_stop(watcher):
            shutil.rmtree(scratch / watcher.name, ignore_errors=True)
    """


@hookspec
def before_reload(watcher: WatcherView) -> Answer:
    """Ask whether the processes of a running watcher may be replaced, or told to reread their files.

    When: before a graceful reload, of whatever kind, touches the first process.

    Args:
        watcher: read-only; its processes run.

    Returns:
        False forbids the reload, the processes run on. True or None allows it.

    Combining: all are asked; one False is enough.
    Failure: logged, published as `hook_failure`, counted as False.

    Example:
        @hookimpl
        def before_reload(watcher):
            return code_is_complete(watcher.config.working_dir)
    """


@hookspec
def after_reload(watcher: WatcherView) -> None:
    """Act when a reload is done.

    When: after the last old process was replaced (or signalled) and the `reload` event is published.

    Args:
        watcher: read-only.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def after_reload(watcher):
            deployments.finished(watcher.name)
    """


@hookspec
def after_resize(watcher: WatcherView, previous: int) -> None:
    """Act when another number of processes is wanted.

    When: after `numprocesses` was changed by a command or by `reloadconfig` and the processes follow it.

    Args:
        watcher: read-only; `numprocesses` is the new number.
        previous: the number wanted before.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def after_resize(watcher, previous):
            log.info("%s: from %d to %d", watcher.name, previous, watcher.numprocesses)
    """


@hookspec
def function_views(watcher: WatcherView, arbiter: ArbiterView) -> tuple[object, object] | None:
    """Choose what a function named in a watcher's section gets as `watcher` and `arbiter`.

    When: before each call of such a function; a plain function.

    Args:
        watcher: whose section names the function.
        arbiter: its arbiter.

    Returns:
        both, in this order; or None: they are these two.

    Combining: the first answer counts.
    Failure: logged and published as `hook_failure`; the next plugin is asked.

    Example:
        @hookimpl
        def function_views(watcher, arbiter):
            return OldWatcher(watcher), OldArbiter(arbiter)
    """
