"""Which user and groups a process gets, and how to say so to setpriv(1)."""

from __future__ import annotations

import os
import pwd

from circus_core.errors import SpawnError
from circus_core.records import dataclass

__all__ = ["Identity", "resolve_identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A change of identity; at least one of the two is set.

    Attributes:
        uid: None keeps the daemon's user.
        gid: None keeps the daemon's group (only without uid).
        user: name for initgroups(3); None leaves just `gid` (with uid), or all groups as they are (without).
    """

    uid: int | None
    gid: int | None
    user: str | None

    def setpriv_options(self) -> list[str]:
        """The options of setpriv(1) of util-linux that do this."""
        options = [] if self.gid is None else [f"--regid={self.gid}"]
        if self.uid is None:
            return [*options, "--keep-groups"]
        groups = "--clear-groups" if self.user is None else "--init-groups"
        return [f"--reuid={self.uid}", *options, groups]


def resolve_identity(uid: int | None, gid: int | None) -> Identity | None:
    """Return what has to be changed, None for nothing.

    The user one has already is no change. A uid without gid brings the user's primary group; a gid
    alone keeps the supplementary groups.

    Raises:
        SpawnError: not root, or the group of an unknown user is asked for.
    """
    if uid == os.geteuid():
        uid = None
    if uid is None and (gid is None or gid == os.getegid()):
        return None
    if os.geteuid() != 0:
        raise SpawnError(_not_root(uid, gid))
    if uid is None:
        return Identity(None, gid, None)
    return _other_user(uid, gid)


def _other_user(uid: int, gid: int | None) -> Identity:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        if gid is None:
            raise SpawnError(f"uid {uid} is no known user, so its group is unknown; set gid") from None
        return Identity(uid, gid, None)
    return Identity(uid, entry.pw_gid if gid is None else gid, entry.pw_name)


def _not_root(uid: int | None, gid: int | None) -> str:
    wanted = f"gid {gid}" if uid is None else f"uid {uid}"
    mine = f"uid {os.geteuid()}, gid {os.getegid()}"
    return f"only root can start a process as {wanted}; this program runs as {mine}"
