"""The socket of an fcgi-program, bound by circusd and given to its processes as standard input."""

from __future__ import annotations

import re
from typing import Final

from circus_convert.document import Document, Section
from circus_convert.problems import ConvertError
from circus_convert.supervisor_options import Options

__all__ = ["convert_socket"]

_UNIX: Final = re.compile(r"unix://(.+)")
_TCP: Final = re.compile(r"tcp://(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:]+)):(?P<port>\d+)")


def convert_socket(options: Options, name: str, watchers: list[Section], document: Document) -> None:
    """Add a socket and give it to the watchers.

    Raises:
        ConvertError: it is no address that Supervisor knows.
    """
    made = document.section(f"socket:{name}")
    address = options.word("socket")
    if unix := _UNIX.fullmatch(address):
        mode = _mode(options)
        made.options |= {"path": unix.group(1), "umask": f"{0o777 & ~mode:03o}", "replace": True}
    elif tcp := _TCP.fullmatch(address):
        made.options |= {"host": tcp["six"] or tcp["host"].replace("*", "0.0.0.0"), "port": int(tcp["port"])}
        if tcp["six"]:
            made.options["family"] = "AF_INET6"
    else:
        what = f"socket must be tcp://HOST:PORT or unix:///PATH, got {options.raw('socket')!r}"
        raise ConvertError(f"{options.place('socket')}: {what}")
    if "socket_backlog" in options:
        made.options["backlog"] = options.whole("socket_backlog", 2048)
    if "socket_owner" in options:
        made.note(options.place("socket_owner"), "socket_owner: the file belongs to the user of circusd")
    for watcher in watchers:
        watcher.options["stdin_socket"] = name


def _mode(options: Options) -> int:
    try:
        return int(options.word("socket_mode", "0700"), 8)
    except ValueError:
        what = f"socket_mode must be octal, such as 0700, got {options.raw('socket_mode')!r}"
        raise ConvertError(f"{options.place('socket_mode')}: {what}") from None
