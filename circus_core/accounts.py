"""Names of users and groups -> numbers. Looked up when a process is spawned, as in Circus 0.19."""

from __future__ import annotations

import grp
import pwd

__all__ = ["to_gid", "to_uid"]


def to_uid(user: str | int) -> int:
    """Return the uid of a user's name or number; the number must belong to a user. Raises ValueError."""
    try:
        number = int(user)
    except ValueError:
        return _named_user(str(user))
    try:
        return pwd.getpwuid(number).pw_uid
    except (KeyError, OverflowError):
        raise ValueError(f"uid = {user!r}: no user has this number; see getent passwd") from None


def to_gid(group: str | int) -> int:
    """Return the gid of a group's name or number; the number must belong to a group. Raises ValueError."""
    try:
        number = int(group)
    except ValueError:
        return _named_group(str(group))
    try:
        return grp.getgrgid(number).gr_gid
    except (KeyError, OverflowError):
        raise ValueError(f"gid = {group!r}: no group has this number; see getent group") from None


def _named_user(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"uid = {name!r}: no such user; see getent passwd") from None


def _named_group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError(f"gid = {name!r}: no such group; see getent group") from None
