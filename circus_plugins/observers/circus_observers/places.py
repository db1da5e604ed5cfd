"""Where a program is on disk: which names lead to it, and whether it has become another one."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

__all__ = ["Fingerprint", "Folder", "command_file", "fingerprint", "names_leading_to"]

_MOST_LINKS = 40  # as path_resolution(7)


def command_file(cmd: str | Sequence[str], working_dir: str | None, search: str | None = None) -> str | None:
    """Return the file of a command, its first word; None if that is not a path and not found in `search`.

    Args:
        working_dir: what a relative path starts from.
        search: folders as in PATH, that of this process if None.
    """
    first = _first_word(cmd)
    if not first or "$(" in first:
        return None
    if os.sep in first:
        return os.path.abspath(os.path.join(working_dir or os.curdir, os.path.expanduser(first)))
    return shutil.which(first, path=search) or _beside(first, working_dir)


def _beside(name: str, working_dir: str | None) -> str | None:
    """Circus 0.19 took every command for a path."""
    path = os.path.abspath(os.path.join(working_dir or os.curdir, name))
    return path if os.path.isfile(path) else None


def _first_word(cmd: str | Sequence[str]) -> str:
    if not isinstance(cmd, str):
        return str(cmd[0]) if cmd else ""
    try:
        return next(iter(shlex.split(cmd)), "")
    except ValueError:  # a quote without its end
        return ""


def names_leading_to(path: str) -> set[str]:
    """Return the paths that, made anew or renamed, change what `path` leads to.

    These are the file and its folder, each symbolic link on the way with the same of its target, and, where
    the way ends too early, the first thing that is missing.
    """
    found: set[str] = set()
    waiting = [os.path.normpath(path)]
    for _ in range(_MOST_LINKS):
        if waiting:
            found.update(_names(waiting.pop(), waiting))
    return found


def _names(path: str, waiting: list[str]) -> Iterator[str]:
    parts = path.split(os.sep)
    for at in range(2, len(parts) + 1):
        name = os.sep.join(parts[:at])
        if os.path.islink(name):
            yield name
            target = os.path.join(os.path.dirname(name), os.readlink(name), *parts[at:])
            waiting.append(os.path.normpath(target))
            return
        if not os.path.lexists(name):
            yield name
            return
    yield path
    yield os.path.dirname(path)


Fingerprint = tuple[int, int, int, int]


def fingerprint(path: str) -> Fingerprint | None:
    """Return what changes when the file does; None: there is none now."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_size


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with all below it; `patterns` are of the names that count."""

    path: str
    patterns: tuple[str, ...] = ("*",)

    def holds(self, paths: Collection[str]) -> bool:
        """Tell whether one of these paths is a file that counts.

        What is hidden, what Python compiled and what editors leave for a moment does not.
        """
        return any(self._counts(path) for path in paths)

    def _counts(self, path: str) -> bool:
        inside = path.removeprefix(self.path.rstrip(os.sep) + os.sep)
        if inside == path:
            return False
        *folders, name = inside.split(os.sep)
        if any(folder.startswith(".") or folder == "__pycache__" for folder in folders):
            return False
        if name.startswith(".") or name.endswith(("~", ".pyc", ".swp", ".tmp")):
            return False
        return any(fnmatch(name, pattern) for pattern in self.patterns)
