"""With `endpoint_owner` clients have processes run as that user only: which options they may set then.

What is not named here is refused, so a new option is closed until somebody has thought about it.
docs/security.md says the same for people.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from circus_core.errors import MessageError

if TYPE_CHECKING:
    from circus_core.config.model import WatcherConfig

__all__ = ["check_added", "check_changed", "file_refusal"]

HARMLESS: Final = frozenset(
    {
        *("numprocesses", "singleton", "autostart", "respawn", "final_exits", "priority"),
        *("max_retry", "retry_in"),
        *("warmup_delay", "graceful_timeout", "max_age", "max_age_variance", "hook_timeout"),
        *("stop_signal", "stop_children", "send_hup", "kill_descendants"),
    }
)
"""Of any watcher: how many processes there are and when."""

OWN: Final = frozenset(
    {
        *("cmd", "args", "executable", "shell", "shell_args", "working_dir"),
        *("close_child_stdout", "close_child_stderr", "tail_bytes"),
    }
)
"""Of watchers that run as the owner: what takes effect only when the rights of circusd are gone."""

OWN_IF: Final[Mapping[str, Any]] = {
    "copy_env": False,  # the environment of circusd is its own
    "copy_path": False,
    "use_sockets": False,  # so are its sockets, some of which only root can bind
    "on_demand": False,
    "stdin_socket": None,
    "close_child_stdin": True,
}
"""The same, with just this value."""

_DANGEROUS_PREFIXES: Final = ("LD_", "GLIBC_", "MALLOC_", "BASH_", "DYLD_", "PYTHON", "GCONV_", "NIS_")
_DANGEROUS: Final = frozenset(
    {
        *(
            "ENV",
            "SHELLOPTS",
            "BASHOPTS",
            "IFS",
            "PS4",
            "GETCONF_DIR",
            "HOSTALIASES",
            "LOCALDOMAIN",
            "LOCPATH",
        ),
        *("NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TMPDIR", "TZDIR", "LANGUAGE", "TEXTDOMAINDIR"),
    }
)
"""What the linker, libc (its list of variables that setuid programs do not get: ld.so(8)) and shells obey:
setpriv(1) and /bin/sh run with the environment of the watcher before they give up the rights of circusd."""


def check_added(options: Mapping[str, Any], owner: str) -> None:
    """Refuse a new watcher that would not run as the owner, or have circusd do more than run it.

    Raises:
        MessageError: names the option.
    """
    if options.get("uid") != owner:
        raise MessageError("uid does not match endpoint_owner")
    for key, value in options.items():
        _check_own(key, value, owner)


def check_changed(watcher: WatcherConfig, options: Mapping[str, Any], owner: str) -> None:
    """Refuse changes by which a watcher would run something as another user. Raises MessageError."""
    if options.get("uid", owner) != owner:
        raise MessageError("uid does not match endpoint_owner")
    is_own = _runs_as(watcher, owner)
    for key, value in options.items():
        if is_own:
            _check_own(key, value, owner)
        elif key not in HARMLESS:
            raise _refusal(key, f"the watcher does not run as {owner}")


def file_refusal() -> MessageError:
    """Return the answer to a request that names a configuration file: to check one is to import its hooks."""
    return MessageError("'path' can't be given with endpoint_owner: circusd would read it as itself")


def _check_own(key: str, value: Any, owner: str) -> None:
    if key in HARMLESS or key in OWN or key == "uid":
        return
    if key in OWN_IF:
        if (value or None) != (OWN_IF[key] or None):
            raise _refusal(key, "it would lend the process what belongs to circusd")
    elif key in _CHECKS:
        _CHECKS[key](value, owner)
    else:
        raise _refusal(key, "circusd would do more than run a process of that user")


def _check_gid(value: Any, owner: str) -> None:
    user = pwd.getpwnam(owner)
    try:
        number = int(value) if str(value).isdecimal() else grp.getgrnam(str(value)).gr_gid
    except KeyError:
        number = -1
    if value is not None and number not in os.getgrouplist(owner, user.pw_gid):
        raise _refusal("gid", f"{owner} is not in group '{value}'")


def _check_nice(value: Any, owner: str) -> None:
    if value < 0:
        raise _refusal("nice", "only 0 and more is allowed")


def _check_env(value: Any, owner: str) -> None:
    for name in value:
        if name in _DANGEROUS or name.startswith(_DANGEROUS_PREFIXES):
            raise _refusal("env", f"{name} would be obeyed before the rights of circusd are given up")


_CHECKS: Final[Mapping[str, Callable[[Any, str], None]]] = {
    "gid": _check_gid,
    "nice": _check_nice,
    "env": _check_env,
}


def _runs_as(watcher: WatcherConfig, owner: str) -> bool:
    uid = pwd.getpwnam(owner).pw_uid
    if watcher.uid is None:
        return os.geteuid() == uid
    return str(watcher.uid) in (owner, str(uid))


def _refusal(key: str, why: str) -> MessageError:
    return MessageError(f"'{key}' can't be set with endpoint_owner: {why}")
