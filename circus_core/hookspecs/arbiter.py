"""Hooks in the life of the daemon (or of an arbiter inside another program)."""

from __future__ import annotations

from circus_core.hookspecs.markers import hookspec
from circus_core.views import ArbiterView, WatcherView

__all__ = [
    "arbiter_started",
    "arbiter_starting",
    "arbiter_stopped",
    "arbiter_stopping",
    "watcher_added",
    "watcher_removed",
]


@hookspec
def arbiter_starting(arbiter: ArbiterView) -> None:
    """Prepare: open what the plugin needs while the daemon runs.

    When: once per start, on the loop, before sockets and endpoints are bound and watchers are made.

    Args:
        arbiter: read-only; may be kept until `arbiter_stopped`.

    Returns:
        nothing.

    Combining: all are called, one after the other; the start waits for coroutines.
    Failure: logged; the daemon starts without what this plugin would have prepared.

    Example:
        @hookimpl
        def arbiter_starting(arbiter):
            log.info("events at %s", arbiter.config.pubsub_endpoint)
    """


@hookspec
def arbiter_started(arbiter: ArbiterView) -> None:
    """Note that every watcher that starts by itself has been started, or was given up.

    When: once per start, on the loop; commands have been answered for a while already.

    Args:
        arbiter: read-only.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged, nothing else.

    Example:
        @hookimpl
        async def arbiter_started(arbiter):
            await announce(f"up, control at {arbiter.config.endpoint}")
    """


@hookspec
def arbiter_stopping(arbiter: ArbiterView) -> None:
    """Take leave while the watchers still run.

    When: once, on the loop, before the first watcher is stopped.

    Args:
        arbiter: read-only.

    Returns:
        nothing; the stop can't be forbidden.

    Combining: all are called, one after the other; the stop waits for coroutines, at most for their
        timeout.
    Failure: logged; the stop goes on.

    Example:
        @hookimpl
        async def arbiter_stopping(arbiter):
            await load_balancer.drain()
    """


@hookspec
def arbiter_stopped(arbiter: ArbiterView) -> None:
    """Give back what `arbiter_starting` took.

    When: once, on the loop, after the last process is gone, before sockets and endpoints are closed; also if
        the start failed, for instance because an address is in use.

    Args:
        arbiter: read-only, all its watchers are stopped.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged; the daemon ends.

    Example:
        @hookimpl
        def arbiter_stopped(arbiter):
            connection.close()
    """


@hookspec
def watcher_added(watcher: WatcherView) -> None:
    """Note that the arbiter has a new watcher.

    When: on the loop, for a watcher that comes while the daemon runs, by the `add` command or by
        `reloadconfig`; it is stopped still. Those of the start are there when `arbiter_started` is called.

    Args:
        watcher: read-only; may be kept until `watcher_removed`.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def watcher_added(watcher):
            rows[watcher.name] = watcher
    """


@hookspec
def watcher_removed(watcher: WatcherView) -> None:
    """Note that a watcher is no longer managed.

    When: on the loop, after the `rm` command or `reloadconfig` took it out; with `rm --nostop` its
        processes live on.

    Args:
        watcher: read-only, not found by its name any more.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`, nothing else.

    Example:
        @hookimpl
        def watcher_removed(watcher):
            rows.pop(watcher.name, None)
    """
