"""The text of a description, for people: a block of `word  value` lines with a table per list."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["description_text", "duration"]

_WIDTH: Final = 12  # of the words on the left
_INDENT: Final = " " * (_WIDTH + 2)

Known = Mapping[str, Any]


def description_text(known: Known) -> str:
    """Lay out what `describe` answers about one watcher."""
    return "\n".join([known["name"], *_lines(known)])


def duration(seconds: float) -> str:
    """Return `3.2 s`, `4 m 05 s`, `2 h 03 m` or `5 d 02 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} m"
    return f"{hours // 24} d {hours % 24:02d} h"


def _lines(known: Known) -> Iterator[str]:
    yield from _item("state", [f"{known['state']} since {_moment(known['since'])}"])
    yield from _item("reason", [known["reason"]] if known["reason"] else [])
    yield from _item("command", [_command(known)])
    yield from _item("runs as", [_identity(known)])
    yield from _item("count", [_numbers(known)])
    yield from _item("processes", _table(_PROCESSES, map(_process, known["processes"])))
    yield from _item("waiting", map(_backoff, known["backoffs"]))
    yield from _item("last ends", _table(_ENDS, map(_end, reversed(known["exits"]))))
    yield from _item("hooks", _table((), (row for each in known["hooks"].items() for row in _hook(*each))))
    yield from _item("sockets", map(_socket, known["sockets"]))
    for name, stream in known["streams"].items():
        yield from _item(name, _stream(stream))
    yield from _item("options", (f"{name} = {value}" for name, value in known["options"].items()))


def _item(word: str, values: Iterable[str]) -> Iterator[str]:
    """Yield the values, the first behind the word; nothing if there is none."""
    label = word
    for value in values:
        yield f"  {label:<{_WIDTH}}{value}".rstrip()
        label = ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield lines with columns below each other; nothing without rows."""
    found = list(rows)
    if not found:
        return
    every = [head, *found] if head else found
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    for row in every:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _command(known: Known) -> str:
    args = known["args"]
    words = [known["cmd"], *([args] if isinstance(args, str) else args)]
    return " ".join(word for word in words if word)


def _identity(known: Known) -> str:
    user = f"user {known['uid']}" if known["uid"] is not None else "the user of circusd"
    group = f", group {known['gid']}" if known["gid"] is not None else ""
    place = f", in {known['working_dir']}" if known["working_dir"] else ""
    return user + group + place


def _numbers(known: Known) -> str:
    failed = f", {known['failed_spawns']} failed to start" if known["failed_spawns"] else ""
    return (
        f"{known['running']} of {known['numprocesses']} running; {known['spawned']} started{failed}, "
        f"{known['restarts']} of these as a restart; {known['ended']} ended"
    )


_PROCESSES: Final = ("PID", "WID", "STATE", "STARTED", "AGE", "RESTARTS", "FILES", "")
_ENDS: Final = ("WHEN", "PID", "WID", "END", "LIVED", "")


def _process(process: Known) -> tuple[str, ...]:
    files = process.get("open_files")
    return (
        str(process["pid"]),
        str(process["wid"]),
        process["state"],
        _moment(process["started"]),
        duration(process["age"]),
        str(process["restarts"]),
        "?" if files is None else str(files),
        _deadline(process),
    )


def _deadline(process: Known) -> str:
    if process["killed_in"] is not None:
        return f"killed in {duration(process['killed_in'])}"
    if process["expires_in"] is not None:
        return f"max_age in {duration(process['expires_in'])}"
    return ""


def _backoff(backoff: Known) -> str:
    return (
        f"worker {backoff['wid']}: {backoff['reason']}; {_counted(backoff['failures'], 'failure')} in a row, "
        f"next try in {duration(backoff['next_try_in'])}"
    )


def _end(end: Known) -> tuple[str, ...]:
    return (
        _moment(end["time"]),
        str(end["pid"]),
        str(end["wid"]),
        end["end"],
        duration(end["lived"]),
        "as told" if end["asked"] else "",
    )


def _hook(name: str, hook: Known) -> Iterator[tuple[str, str]]:
    target = hook["target"] or "of a plugin"
    yield name, target + (", failures are ignored" if hook["ignore_failure"] else "")
    if "error" in hook:
        yield "", f"failed {_moment(hook['failed_at'])}: {hook['error']}"


def _socket(socket: Known) -> str:
    place = socket["path"] if "path" in socket else f"{socket['host']}:{socket['port']}"
    return f"{socket['name']} at {place}, descriptor {socket['fd']}"


def _stream(stream: Known) -> Iterator[str]:
    yield stream["class"] + "".join(f", {name} = {value}" for name, value in stream["options"].items())
    if stream["dropped_bytes"] or stream["errors"]:
        dropped, errors = _counted(stream["dropped_bytes"], "byte"), _counted(stream["errors"], "error")
        yield f"{dropped} dropped, {errors}"
    if stream["problem"]:
        yield f"held back: {stream['problem']}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
