"""Hooks around the listening sockets of the arbiter. On the loop."""

from __future__ import annotations

from circus_core.config.model import SocketConfig
from circus_core.hookspecs.markers import hookspec
from circus_core.views import WatcherView

__all__ = ["after_bind", "before_bind", "before_close", "first_connection"]


@hookspec
def before_bind(socket: SocketConfig) -> None:
    """Prepare the place where a socket will listen.

    When: before each `[socket:NAME]` is bound, at start and after a change by `reloadconfig`.

    Args:
        socket: its configuration, variables substituted.

    Returns:
        nothing.

    Combining: all are called, one after the other; the binding waits for coroutines.
    Failure: logged; the socket is bound all the same.

    Example:
        @hookimpl
        def before_bind(socket):
            if socket.path:
                Path(socket.path).parent.mkdir(parents=True, exist_ok=True)
    """


@hookspec
def after_bind(socket: SocketConfig, fd: int) -> None:
    """Note that a socket listens.

    When: after it was bound and listens, before a watcher that uses it starts.

    Args:
        socket: its configuration.
        fd: its descriptor, owned by the arbiter: duplicate it to keep it, never close it.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged, nothing else.

    Example:
        @hookimpl
        async def after_bind(socket, fd):
            await directory.register(socket.name, socket.host, socket.port)
    """


@hookspec
def before_close(socket: SocketConfig) -> None:
    """Take leave of a socket.

    When: before it is closed, at the end or after a change by `reloadconfig`; it still listens.

    Args:
        socket: its configuration.

    Returns:
        nothing; the closing can't be forbidden.

    Combining: all are called, one after the other; the closing waits for coroutines, at most for their
        timeout.
    Failure: logged; the socket is closed.

    Example:
        @hookimpl
        async def before_close(socket):
            await directory.remove(socket.name)
    """


@hookspec
def first_connection(watcher: WatcherView) -> None:
    """Note that a client woke a watcher that waits for one (`on_demand`).

    When: one of its sockets became readable, before the watcher is started; `before_start` follows.

    Args:
        watcher: read-only, stopped still.

    Returns:
        nothing; `before_start` is the place to refuse.

    Combining: all are called, one after the other.
    Failure: logged and published as `hook_failure`; the watcher is started.

    Example:
        @hookimpl
        def first_connection(watcher):
            woken[watcher.name] += 1
    """
