"""Find the program before anything is started, and say in people's words why it can't be."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping

from circus_core.errors import SpawnError

__all__ = ["check_working_dir", "explain", "find_program"]

_SHORTAGES = {
    errno.EAGAIN: "the limit of processes (ulimit -u, pids.max) is reached",
    errno.ENOMEM: "there is not enough memory",
    errno.EMFILE: "this program has no free descriptor left; raise its nofile limit",
    errno.ENFILE: "the machine has no free descriptor left; raise fs.file-max",
    errno.ENOSPC: "the machine watches too many descriptors; raise fs.epoll.max_user_watches",
}
_SEARCHABLE = os.X_OK
_HEAD = 256  # bytes of a script that the kernel looks at for its interpreter: execve(2)


def check_working_dir(working_dir: str | None) -> None:
    """Raise SpawnError unless it is a directory that may be entered."""
    if working_dir is None:
        return
    if not os.path.exists(working_dir):
        raise SpawnError(f"working_dir '{working_dir}' does not exist")
    if not os.path.isdir(working_dir):
        raise SpawnError(f"working_dir '{working_dir}' is not a directory")
    if not os.access(working_dir, _SEARCHABLE):
        raise SpawnError(f"working_dir '{working_dir}' may not be entered: permission denied")


def find_program(name: str, env: Mapping[str, str], working_dir: str | None) -> str:
    """Return the file that execvpe(3) would run after a chdir to `working_dir`.

    A name without a slash is searched in PATH of `env` (without it: os.defpath), never in the
    daemon's own PATH. The result is absolute, or relative to `working_dir`.

    Raises:
        SpawnError: no such program, or it is not executable.
    """
    if not name:
        raise SpawnError("the command is empty")
    if "\0" in name:
        raise SpawnError(f"the name of the program has a null byte in it: {name!r}")
    refused: str | None = None
    for candidate in _candidates(name, env):
        place = os.path.join(working_dir or "", candidate)
        if os.path.isfile(place):
            if os.access(place, os.X_OK):
                return candidate
            refused = refused or place
        elif os.path.sep in name and os.path.isdir(place):
            raise SpawnError(f"'{place}' is a directory, not a program")
    if refused is not None:
        raise SpawnError(f"'{refused}' is not executable; chmod +x it, or name its interpreter in cmd")
    if os.path.sep in name:
        raise SpawnError(f"no such program '{os.path.join(working_dir or '', name)}'")
    raise SpawnError(f"no such program '{name}' in PATH '{env.get('PATH', os.defpath)}'")


def explain(error: OSError, program: str, working_dir: str | None) -> SpawnError:
    """Turn what fork(2), chdir(2) or execve(2) answered into an error for people."""
    if error.errno in _SHORTAGES:
        return SpawnError(f"cannot start '{program}' now: {_SHORTAGES[error.errno]}", shortage=True)
    reason = os.strerror(error.errno or 0).lower()
    if working_dir is not None and error.filename == working_dir:
        return SpawnError(f"working_dir '{working_dir}' may not be entered: {reason}")
    place = os.path.join(working_dir or "", program)
    if error.errno == errno.ENOEXEC:
        return SpawnError(f"'{place}' is no program of this machine; does its first line lack #! ?")
    if error.errno == errno.ENOENT and os.path.exists(place):
        return SpawnError(f"'{place}' can't run: its interpreter {_interpreter(place)} does not exist")
    if error.errno == errno.E2BIG:
        return SpawnError(f"cannot start '{program}': arguments and environment are too long")
    return SpawnError(f"cannot start '{program}': {reason}")


def _candidates(name: str, env: Mapping[str, str]) -> Iterator[str]:
    if os.path.sep in name:
        yield name
        return
    for folder in env.get("PATH", os.defpath).split(os.pathsep):
        yield os.path.join(folder or os.curdir, name)


def _interpreter(place: str) -> str:
    try:
        with open(place, "rb") as script:
            head = script.read(_HEAD).split(b"\n")[0]
    except OSError:
        return "(unreadable)"
    words = head.removeprefix(b"#!").split()
    if not head.startswith(b"#!") or not words:
        return "or loader"
    return f"'{os.fsdecode(words[0])}' (its first line)"
