"""How a request becomes a command line: directly, through setpriv(1), a gate of the shell, or the shim.

Nothing of Python runs between fork and exec in the daemon (a fork of a large daemon costs 100 ms, a
vfork less than one), so what must be done in the child is done by a small program in front:

- identity alone: ``setpriv --reuid=... -- COMMAND``; setpriv gives up the rights of root with its
  execve, so the file of the command is looked up with them;
- limits or niceness: a *gate*, ``/bin/sh`` that waits on its stdin. The parent sets limits and
  niceness by pid and opens the gate; the shell runs ``[setpriv ... --] COMMAND </dev/null``. All of it
  is in force at the first instruction of the command, and what can't be set is known before it runs;
- what the shell can't do (see `_needs_shim`): `shim.py`, 10 ms slower. Its failures are exits
  with 126 or 127 and a line on stderr, as from a shell: spawn() does not wait for it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from circus_core.backends import SpawnRequest
from circus_core.backends.identity import Identity, resolve_identity
from circus_core.backends.program import find_program
from circus_core.errors import SpawnError
from circus_core.records import dataclass

__all__ = ["Launch", "Restriction", "apply_restriction", "find_setpriv", "plan_launch"]

_SHIM = str(Path(__file__).with_name("shim.py"))
_SHELL = "/bin/sh"
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")  # dash drops variables of other names
_SHELL_OWN = ("_", "PWD", "OLDPWD", "SHLVL")  # what shells add or change on their own
_SHELL_MIN_NOFILE = 20  # a redirection needs descriptors from 10: fcntl(2) F_DUPFD in dash
_FIRST_LISTEN_FD = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Restriction:
    """What the parent sets by pid before it opens the gate; None as a limit means infinity."""

    rlimits: Mapping[str, int | None]
    nice: int | None

    def __bool__(self) -> bool:
        return bool(self.rlimits) or self.nice is not None


@dataclass(frozen=True, slots=True)
class Launch:
    """One call of Popen.

    Attributes:
        argv, executable: as for Popen.
        program: the file of the command itself, for messages.
        restriction: what to apply before the gate on stdin is opened; None: there is no gate.
        pass_fds: descriptors to keep, those for the shim included.
        enters: the program in front enters the working_dir, after it has given up its rights.
    """

    argv: tuple[str, ...]
    executable: str
    program: str
    restriction: Restriction | None
    pass_fds: tuple[int, ...]
    enters: bool = False


def plan_launch(request: SpawnRequest, *, setpriv: str | None) -> Launch:
    """Decide how to start `request`; `setpriv` is what `find_setpriv` found.

    Raises:
        SpawnError: program, user or limit can't be used.
    """
    if not request.argv:
        raise SpawnError("the command is empty")
    program = find_program(request.executable or request.argv[0], request.env, request.working_dir)
    identity = resolve_identity(request.uid, request.gid)
    restriction = Restriction(request.rlimits, request.nice)
    for name, value in request.rlimits.items():
        _check_limit(name, value)
    if not request.listen_fds and not restriction and identity is None:
        return Launch(request.argv, program, program, None, request.pass_fds)
    if (
        (identity is not None and setpriv is None)
        or _needs_shim(request, restriction)
        or _enters_late(request, identity)
    ):
        return _through_shim(request, program, identity)
    command = request.argv
    if identity is not None and setpriv is not None:
        command = (setpriv, *identity.setpriv_options(), "--", *command)
    if not restriction:
        return Launch(command, command[0], program, None, request.pass_fds)
    return Launch(_gate(command, request.env), _SHELL, program, restriction, request.pass_fds)


def apply_restriction(restriction: Restriction, pid: int) -> None:
    """Set limits and niceness of a process that waits at its gate. Linux only.

    Raises:
        SpawnError: names the limit, the value and the reason.
    """
    for name, value in restriction.rlimits.items():
        _set_limit(pid, name, value)
    if restriction.nice is not None:
        try:
            os.setpriority(os.PRIO_PROCESS, pid, restriction.nice)
        except OSError as error:
            raise SpawnError(f"nice {restriction.nice} is refused: {_reason(error)}") from error


def _needs_shim(request: SpawnRequest, restriction: Restriction) -> bool:
    first = request.argv[0]
    if request.listen_fds or first.startswith("-"):
        return True
    if request.executable is not None and request.executable != first:
        return True
    if "PATH" not in request.env and os.path.sep not in first:
        return True  # shell and execvp(3) have other ideas of a default PATH than we
    return bool(restriction) and not _gate_fits(request)


def _enters_late(request: SpawnRequest, identity: Identity | None) -> bool:
    """Whether working_dir must not be entered with the rights of the daemon: chdir(2) is before execve(2)."""
    return request.enters_as_user and request.working_dir is not None and identity is not None


def _gate_fits(request: SpawnRequest) -> bool:
    nofile = request.rlimits.get("nofile")
    return (
        sys.platform == "linux"
        and request.stdin == subprocess.DEVNULL
        and (nofile is None or nofile >= _SHELL_MIN_NOFILE)
        # The end of execve(2) restores the stack limit of its beginning (finalize_exec): what we set while
        # /bin/sh is not yet running would be lost.
        and "stack" not in request.rlimits
        and all(map(_SHELL_NAME.match, request.env))
    )


def _gate(command: tuple[str, ...], env: Mapping[str, str]) -> tuple[str, ...]:
    """The command behind a shell that waits for a line; the environment goes through unchanged.

    Where /bin/sh is bash it adds `_`, and SHLVL if there was none: it can't be kept from that.
    """
    kept = [name for name in _SHELL_OWN if name in env]
    foreign = [name for name in _SHELL_OWN if name not in env]
    steps = [f"unset {name}" for name in foreign] + [f"{name}=$1; shift" for name in kept]
    script = "; ".join(("read _ || exit 125", *steps, 'exec "$@" </dev/null'))
    return (_SHELL, "-c", script, "sh", *(env[name] for name in kept), *command)


def _through_shim(request: SpawnRequest, program: str, identity: Identity | None) -> Launch:
    listen = [fd for _, fd in request.listen_fds]
    _check_listen_fds(listen, request.pass_fds)
    orders = {
        "program": program,
        "listen": listen,
        "names": ":".join(name for name, _ in request.listen_fds),
        "keep": request.pass_fds,
        "limits": [[name, _limit_number(name), value] for name, value in request.rlimits.items()],
        "nice": request.nice,
        "uid": identity.uid if identity else None,
        "gid": identity.gid if identity else None,
        "user": identity.user if identity else None,
        "enter": request.working_dir if _enters_late(request, identity) else None,
        "lc_ctype": request.env.get("LC_CTYPE"),
    }
    argv = (sys.executable, "-I", "-S", _SHIM, json.dumps(orders), *request.argv)
    passed = tuple({*request.pass_fds, *listen})
    return Launch(argv, sys.executable, program, None, passed, enters=_enters_late(request, identity))


def _check_listen_fds(listen: list[int], pass_fds: tuple[int, ...]) -> None:
    places = range(_FIRST_LISTEN_FD, _FIRST_LISTEN_FD + len(listen))
    for place, fd in zip(places, listen, strict=True):
        if place in pass_fds and place != fd:
            raise SpawnError(f"descriptor {place} is passed by number, but LISTEN_FDS needs its place")


def _set_limit(pid: int, name: str, value: int | None) -> None:
    number = _limit_number(name)
    wanted = resource.RLIM_INFINITY if value is None else value
    try:
        resource.prlimit(pid, number, (wanted, wanted))
    except (OSError, ValueError, OverflowError) as error:
        hard = resource.getrlimit(number)[1]
        if value is None and number == resource.RLIMIT_NOFILE and hard != wanted:
            _set_limit(pid, name, hard)  # it can't be infinite on Linux: fs.nr_open
            return
        raise SpawnError(
            f"rlimit_{name} {_people(wanted)} is refused: {_reason(error)}; the hard limit of this program is"
            f" {_people(hard)}"
        ) from error


def _check_limit(name: str, value: int | None) -> None:
    _limit_number(name)
    if value is not None and value < 0:
        raise SpawnError(f"rlimit_{name} must be >= 0 or infinity, got {value}")


def _limit_number(name: str) -> int:
    number = getattr(resource, f"RLIMIT_{name.upper()}", None)
    if isinstance(number, int):
        return number
    known = sorted(n.removeprefix("RLIMIT_").lower() for n in dir(resource) if n.startswith("RLIMIT_"))
    raise SpawnError(f"rlimit_{name} is unknown here; there are: {', '.join(known)}")


def _people(limit: int) -> str:
    return "infinity" if limit == resource.RLIM_INFINITY else str(limit)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return str(error)


def find_setpriv() -> str | None:
    """The setpriv(1) of util-linux; that of busybox can't change users, and elsewhere there is none."""
    found = shutil.which("setpriv")
    if sys.platform != "linux" or found is None or os.path.basename(os.path.realpath(found)) == "busybox":
        return None
    return found
