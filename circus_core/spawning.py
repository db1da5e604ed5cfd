"""From a watcher's options to what a backend is asked for: variables, words, descriptors, numbers."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from circus_core.accounts import to_gid, to_uid
from circus_core.backends import SpawnRequest
from circus_core.config.model import WatcherConfig
from circus_core.config.substitute import expand, named_sockets, spawn_variables
from circus_core.errors import SocketError, SpawnError
from circus_core.records import dataclass, replace
from circus_core.sockets import CircusSocket, Sockets

__all__ = ["StandardStreams", "lent_sockets", "named_sockets", "spawn_request", "used_sockets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardStreams:
    """Where descriptors 0, 1, 2 of a new process come from; the values of SpawnRequest."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None


def spawn_request(
    config: WatcherConfig,
    wid: int,
    *,
    env: Mapping[str, str],
    sockets: Mapping[str, int],
    streams: StandardStreams,
    endpoint_owner: int | None = None,
) -> SpawnRequest:
    """Return what the backend is asked for.

    Args:
        env: the environment of the new process.
        sockets: descriptors by lower-case name, of all sockets.
        endpoint_owner: uid of the user whose processes enter their working_dir with the user's own rights.

    Raises:
        SpawnError: unbalanced quotes, no command, an unknown user, group or socket.
    """
    variables = spawn_variables(config, wid=wid, env=env, sockets=sockets)
    streams = _with_stdin_socket(config, sockets, streams)
    uid = _number(to_uid, config.uid)
    return SpawnRequest(
        argv=_argv(config, variables),
        executable=expand(config.executable, variables) if config.executable else None,
        env=env,
        working_dir=config.working_dir,
        enters_as_user=uid is not None and uid == endpoint_owner,
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        pass_fds=_passed(config, sockets),
        listen_fds=_activated(config, sockets),
        rlimits=config.rlimits,
        nice=config.nice,
        uid=uid,
        gid=_number(to_gid, config.gid),
        label=f"{config.name}.{wid}",
        kill_descendants=config.kill_descendants,
    )


def used_sockets(config: WatcherConfig, names: Collection[str]) -> frozenset[str]:
    """Return those of these sockets, by lower-case name, that processes of a watcher get."""
    wanted = named_sockets(config) or (frozenset(names) if config.use_sockets else frozenset())
    return frozenset(name for name in names if name in wanted)


@contextmanager
def lent_sockets(config: WatcherConfig, sockets: Sockets) -> Iterator[dict[str, int]]:
    """Give the descriptors of all sockets for one spawn; so_reuseport ones that it gets are its own.

    Raises:
        SpawnError: a socket of its own could not be bound.
    """
    numbers = {name: each.fileno() for name, each in sockets.items()}
    with ExitStack() as own:
        for name in used_sockets(config, numbers):
            if sockets[name].is_per_worker:
                numbers[name] = own.enter_context(_own_socket(sockets, name)).fileno()
        yield numbers


def _own_socket(sockets: Sockets, name: str) -> CircusSocket:
    try:
        return sockets.fresh(name)
    except SocketError as error:
        raise SpawnError(str(error)) from error


def _argv(config: WatcherConfig, variables: Mapping[str, object]) -> tuple[str, ...]:
    if config.shell:
        return _shell_argv(config, variables)
    words = [*_split("cmd", expand(config.cmd, variables)), *_arguments(config, variables)]
    if not words:
        raise SpawnError("cmd is empty; write the command to run")
    return tuple(words)


def _shell_argv(config: WatcherConfig, variables: Mapping[str, object]) -> tuple[str, ...]:
    """`/bin/sh -c LINE`, the line as written, so that pipes, redirections and variables work."""
    arguments = config.args if isinstance(config.args, str) else shlex.join(config.args)
    line = expand(f"{config.cmd} {arguments}".strip(), variables)
    return ("/bin/sh", "-c", line, *_split("shell_args", expand(config.shell_args or "", variables)))


def _arguments(config: WatcherConfig, variables: Mapping[str, object]) -> Iterable[str]:
    if isinstance(config.args, str):
        return _split("args", expand(config.args, variables))
    return [expand(word, variables) for word in config.args]


@lru_cache(maxsize=64)  # most processes of a watcher have the same words, and shlex takes 30 us
def _split(option: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise SpawnError(f"{option} = {text!r}: {str(error).lower()}; balance the quotes") from None


def _with_stdin_socket(
    config: WatcherConfig, sockets: Mapping[str, int], streams: StandardStreams
) -> StandardStreams:
    if config.stdin_socket is None:
        return streams
    number = sockets.get(config.stdin_socket.lower())
    if number is None:
        known = ", ".join(sorted(sockets)) or "none"
        raise SpawnError(f"stdin_socket = {config.stdin_socket!r}: no such socket; known: {known}")
    return replace(streams, stdin=number)


def _passed(config: WatcherConfig, sockets: Mapping[str, int]) -> tuple[int, ...]:
    """The sockets that keep their number in the process: those that the command names."""
    if not config.use_sockets:
        return ()
    return tuple(sockets[name] for name in sorted(named_sockets(config) & sockets.keys()))


def _activated(config: WatcherConfig, sockets: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """A command that names no socket gets all of them by the protocol of sd_listen_fds(3)."""
    return () if not config.use_sockets or named_sockets(config) else tuple(sockets.items())


def _number(resolve: Callable[[str | int], int], account: str | int | None) -> int | None:
    if account is None:
        return None
    try:
        return resolve(account)
    except ValueError as error:
        raise SpawnError(str(error)) from None
