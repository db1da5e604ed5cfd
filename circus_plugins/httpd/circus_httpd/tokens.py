"""The login tokens: one for each role, in a file that only its owner can read."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from circus_core import CircusError

__all__ = ["ROLES", "Role", "StateError", "TokenFile", "make_folder", "state_folder", "write_private"]

Role = Literal["full", "read"]
ROLES: Final[tuple[Role, ...]] = ("full", "read")

_BYTES: Final = 32
_FILE: Final = "tokens"


class StateError(CircusError):
    """What circushttpd keeps on disk can't be used; the text says what to do."""


def state_folder(wanted: str | None = None) -> Path:
    """Return the folder of what circushttpd keeps.

    The first of these that is given: `wanted`, $XDG_STATE_HOME/circus/httpd, ~/.local/state/circus/httpd.
    """
    if wanted:
        return Path(wanted).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # by its specification to be ignored
        state = os.path.expanduser("~/.local/state")
    return Path(state, "circus", "httpd")


def make_folder(folder: Path) -> None:
    """Make the folder if it is missing, for its owner only.

    Raises:
        StateError: it can't be made, or others could put files of their own into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise StateError(
            f"can't make the folder {str(folder)!r}: {_reason(error)}; name another one with --state-dir"
        ) from error
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & stat.S_IWOTH:
        raise StateError(
            f"others can write into the folder {str(folder)!r} (uid {found.st_uid}, mode "
            f"{stat.S_IMODE(found.st_mode):04o}), so it is not used; name another one with --state-dir"
        )


def write_private(path: Path, text: str) -> None:
    """Put a file in place at once, mode 0600. Raises StateError."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise StateError(f"can't write {str(path)!r}: {_reason(error)}") from error


class TokenFile:
    """The file `tokens` with a line `ROLE TOKEN` for each role. It is read again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE
        self._stamp: tuple[int, ...] | None = None
        self._tokens: Mapping[Role, str] = {}

    def make(self) -> bool:
        """Make tokens if there are none; returns whether these are new. Raises StateError."""
        make_folder(self.path.parent)
        if self.path.exists():
            self.read()
            return False
        self.renew()
        return True

    def renew(self) -> None:
        """Put new tokens in the place of the old ones, which are worth nothing from now on."""
        make_folder(self.path.parent)
        lines = [f"{role} {secrets.token_urlsafe(_BYTES)}\n" for role in ROLES]
        write_private(self.path, "".join(lines))
        self.read()

    def read(self) -> Mapping[Role, str]:
        """Return the tokens by role. Raises StateError: they are missing, or others could have read them."""
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode, found.st_uid)
            if stamp != self._stamp:
                self._check(found)
                self._tokens = _parse(self.path.read_text(encoding="ascii", errors="replace"))
                self._stamp = stamp
        except OSError as error:
            raise StateError(
                f"can't read {str(self.path)!r}: {_reason(error)}; 'circushttpd token --new' makes tokens"
            ) from error
        return self._tokens

    def role_of(self, given: str) -> Role | None:
        """Return for what a token is good, None for nothing. Raises StateError."""
        found: Role | None = None
        for role, token in self.read().items():
            if hmac.compare_digest(token.encode(), given.encode("utf-8", "surrogatepass")):
                found = role
        return found

    def _check(self, found: os.stat_result) -> None:
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise StateError(
                f"{str(self.path)!r} can be read by others (mode {mode:04o}), so it is not used: run "
                "'circushttpd token --new'"
            )
        if found.st_uid not in (os.geteuid(), 0):
            raise StateError(f"{str(self.path)!r} belongs to uid {found.st_uid}, so it is not used")


def _parse(text: str) -> Mapping[Role, str]:
    words = [line.split() for line in text.splitlines()]
    tokens = {parts[0]: parts[1] for parts in words if len(parts) == 2 and len(parts[1]) >= _BYTES}
    if not all(role in tokens for role in ROLES):
        raise StateError("the file of tokens has no line for each role: run 'circushttpd token --new'")
    return {role: tokens[role] for role in ROLES}


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
