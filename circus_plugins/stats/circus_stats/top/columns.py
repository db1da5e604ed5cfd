"""The columns of the table: what is in them, how wide they are, and which there is room for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rich.cells import cell_len, set_cell_size

from circus_stats.top.figures import UNKNOWN, age_text, end_text, percent_text, size_text
from circus_stats.top.graphs import Glyphs
from circus_stats.top.rows import SORTS, Kind, Row, View

__all__ = ["COLUMNS", "Cell", "Column", "Looks", "Tone", "cells", "fit", "heading", "layout", "socket_text"]


class Tone(Enum):
    """What a text means; the screen has a colour for each."""

    PLAIN = "plain"
    NAME = "name"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    FAINT = "faint"
    CPU = "cpu"
    MEM = "mem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """With what and when it is drawn: `now` is seconds since the epoch, for how long ago something was."""

    glyphs: Glyphs
    now: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line, of its final width."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        width: cells; of the name the least.
        rank: the larger, the earlier it goes where there is no room.
        is_picture: only for screens.
    """

    name: str
    title: str
    width: int
    rank: int
    text: Callable[[Row, Looks, int], str]
    tone: Callable[[Row], Tone] = lambda _row: Tone.PLAIN
    is_right: bool = True
    is_picture: bool = False


_LONGEST_NAME: Final = 32
_WIDEST_NAME: Final = 64  # where all columns are shown
_NAME_SHARE: Final = 0.22
"""Of the width of the screen, at most."""
_LONGEST_COMMAND: Final = 60
_FILLED: Final = 80.0  # percent from which on a figure is a warning


def fit(text: str, width: int, more: str, *, is_right: bool = False) -> str:
    """Return text in exactly so many cells: filled with blanks, or cut, which the mark `more` shows."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(set_cell_size(text, max(0, width - 1)) + more, width)
    blanks = " " * (width - length)
    return blanks + text if is_right else text + blanks


def _name(row: Row, looks: Looks, width: int) -> str:
    glyphs = looks.glyphs
    if row.kind is Kind.PROCESS:
        return _name_of_process(row, glyphs, width)
    if row.kind is Kind.SOCKET:
        return glyphs.indent + row.name
    if row.is_expanded is None:
        return glyphs.leaf + row.name
    return (glyphs.expanded if row.is_expanded else glyphs.collapsed) + row.name


def _name_of_process(row: Row, glyphs: Glyphs, width: int) -> str:
    """Return the name, cut if it must be so that what tells it from its neighbours stays."""
    whole = glyphs.indent + row.name
    if row.watcher is None or cell_len(whole) <= width or not row.name.startswith(row.watcher.title):
        return whole
    end = row.name.removeprefix(row.watcher.title)
    return fit(glyphs.indent + row.watcher.title, max(0, width - cell_len(end)), glyphs.more) + end


def _name_tone(row: Row) -> Tone:
    if row.kind is Kind.PROCESS:
        return Tone.PLAIN
    return Tone.NAME


def _state(row: Row, _looks: Looks, _width: int) -> str:
    subject = row.process or row.watcher
    return "" if subject is None or row.kind is Kind.OWN else subject.state


def _state_tone(row: Row) -> Tone:
    subject = row.process or row.watcher
    state = "" if subject is None else subject.state
    if state in ("active", "running"):
        return Tone.GOOD
    if state == "stopped":
        return Tone.BAD if row.watcher is not None and row.watcher.reason else Tone.FAINT
    return Tone.WARNING


def _pid(row: Row, _looks: Looks, _width: int) -> str:
    """Return the pid; of a watcher how many processes it has, and of how many if it should have others."""
    if row.process is not None:
        return str(row.process.pid)
    if row.watcher is None:
        return ""
    count, wanted = len(row.watcher.processes), row.watcher.wanted
    if wanted in (None, count) or row.watcher.state == "stopped":
        return f"({count})"
    return f"({count}/{wanted})"


def _cpu_tone(row: Row) -> Tone:
    return Tone.WARNING if (row.figures.cpu or 0.0) >= _FILLED else Tone.CPU


def _mem_tone(row: Row) -> Tone:
    return Tone.WARNING if (row.figures.mem or 0.0) >= _FILLED else Tone.MEM


def _cpu_bar(row: Row, looks: Looks, width: int) -> str:
    cpu = row.figures.cpu
    return looks.glyphs.bar(None if cpu is None else cpu / 100, width)


def _mem_bar(row: Row, looks: Looks, width: int) -> str:
    mem = row.figures.mem
    return looks.glyphs.bar(None if mem is None else mem / 100, width)


def _cpu_past(row: Row, looks: Looks, width: int) -> str:
    return looks.glyphs.sparkline(row.cpu_past or (), width, least=10.0)


def _mem_past(row: Row, looks: Looks, width: int) -> str:
    return looks.glyphs.sparkline(row.mem_past or (), width, least=1.0)


def _restarts(row: Row, _looks: Looks, _width: int) -> str:
    if row.process is not None:
        return "" if row.process.restarts is None else str(row.process.restarts)
    if row.watcher is None or row.kind is Kind.OWN:
        return ""
    if row.watcher.restarts is None:
        return f"+{row.watcher.respawned}" if row.watcher.respawned else UNKNOWN
    return str(row.watcher.restarts)


def _exit(row: Row, looks: Looks, _width: int) -> str:
    end = None if row.kind is not Kind.WATCHER or row.watcher is None else row.watcher.last_exit
    if end is None:
        return ""
    ago = f" {age_text(max(0.0, looks.now - end.at))}" if end.at else ""
    return end_text(end.code) + ago


def _exit_tone(row: Row) -> Tone:
    end = None if row.watcher is None else row.watcher.last_exit
    return Tone.FAINT if end is None or end.code == 0 else Tone.WARNING


def _user(row: Row, _looks: Looks, _width: int) -> str:
    return "" if row.process is None else row.process.user


def _command(row: Row, _looks: Looks, _width: int) -> str:
    subject = row.process or row.watcher
    return "" if subject is None else subject.command


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


COLUMNS: Final[Sequence[Column]] = (
    Column(name="name", title="NAME", width=12, rank=0, text=_name, tone=_name_tone, is_right=False),
    Column(name="state", title="STATE", width=8, rank=4, text=_state, tone=_state_tone, is_right=False),
    Column(name="pid", title="PID", width=7, rank=3, text=_pid),
    Column(
        name="cpu", title="CPU%", width=6, rank=1, tone=_cpu_tone,
        text=lambda row, _looks, _width: percent_text(row.figures.cpu),
    ),
    Column(name="cpu_bar", title="", width=6, rank=7, text=_cpu_bar, tone=_cpu_tone, is_picture=True),
    Column(name="cpu_past", title="", width=8, rank=8, text=_cpu_past, tone=_cpu_tone, is_picture=True),
    Column(
        name="mem", title="MEM%", width=5, rank=2, tone=_mem_tone,
        text=lambda row, _looks, _width: percent_text(row.figures.mem),
    ),
    Column(name="mem_bar", title="", width=6, rank=12, text=_mem_bar, tone=_mem_tone, is_picture=True),
    Column(name="mem_past", title="", width=8, rank=13, text=_mem_past, tone=_mem_tone, is_picture=True),
    Column(name="rss", title="RSS", width=5, rank=9, text=lambda row, _l, _w: size_text(row.figures.rss)),
    Column(name="age", title="AGE", width=6, rank=5, text=lambda row, _l, _w: age_text(row.figures.age)),
    Column(name="fds", title="FDS", width=5, rank=14, text=lambda row, _l, _w: _number(row.figures.fds)),
    Column(
        name="threads", title="THR", width=4, rank=15,
        text=lambda row, _looks, _width: _number(row.figures.threads),
    ),
    Column(
        name="read", title="READ/s", width=6, rank=16,
        text=lambda row, _looks, _width: size_text(_whole(row.figures.read_rate)),
    ),
    Column(
        name="write", title="WRIT/s", width=6, rank=17,
        text=lambda row, _looks, _width: size_text(_whole(row.figures.write_rate)),
    ),
    Column(name="restarts", title="RST", width=4, rank=10, text=_restarts),
    Column(name="exit", title="LAST EXIT", width=13, rank=11, text=_exit, tone=_exit_tone, is_right=False),
    Column(name="user", title="USER", width=8, rank=18, text=_user, is_right=False),
    Column(name="command", title="COMMAND", width=12, rank=19, text=_command, is_right=False),
)  # fmt: skip
"""From left to right."""

_PLAIN: Final = frozenset({"name", "state", "pid", "cpu", "mem", "rss", "age", "restarts", "exit"})
"""What is printed where there is no screen."""


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def layout(width: int, rows: Iterable[Row]) -> list[tuple[Column, int]]:
    """Return the columns that there is room for, each with its width; a blank goes between two.

    Args:
        width: cells of the screen.
        rows: for the length of their names.
    """
    longest = max((cell_len(row.name) + 4 for row in rows if row.kind is not Kind.SOCKET), default=0)
    least = COLUMNS[0].width
    name_width = min(max(least, longest), _LONGEST_NAME, max(least, round(width * _NAME_SHARE)))
    left = width - name_width
    chosen = {"name"}
    for column in sorted(COLUMNS[1:], key=lambda each: each.rank):
        if column.width + 1 > left:
            break
        left -= column.width + 1
        chosen.add(column.name)
    shown = [column for column in COLUMNS if column.name in chosen]
    widths = {column.name: column.width for column in shown}
    more = left if "command" not in widths else min(left, max(0, min(longest, _WIDEST_NAME) - name_width))
    widths["name"] = name_width + more
    _widen(widths, left - more)
    return [(column, widths[column.name]) for column in shown]


def _widen(widths: dict[str, int], left: int) -> None:
    """Give what is left of the width to the command, then to pictures of the past."""
    if "command" not in widths:
        return
    more = min(left, _LONGEST_COMMAND)
    widths["command"] += more
    for name in ("cpu_past", "mem_past"):
        widths[name] += (left - more) // 2


def plain_layout(rows: Iterable[Row]) -> list[tuple[Column, int]]:
    """Return the columns for text that nobody scrolls: names are not cut."""
    longest = max((cell_len(row.name) + 4 for row in rows if row.kind is not Kind.SOCKET), default=0)
    shown = [column for column in COLUMNS if column.name in _PLAIN]
    return [(column, max(column.width, longest if column.name == "name" else 0)) for column in shown]


def heading(columns: Iterable[tuple[Column, int]], view: View, glyphs: Glyphs) -> list[tuple[str, Column]]:
    """Return the titles, each with its column; that by which is sorted has an arrow."""
    arrow = glyphs.down if view.is_descending else glyphs.up
    found = []
    for column, width in columns:
        title = column.title + arrow if column.name == view.sort else column.title
        found.append((fit(title, width, "", is_right=column.is_right), column))
    return found


def cells(row: Row, columns: Sequence[tuple[Column, int]], looks: Looks) -> list[Cell]:
    """Return what is in a line, one piece for each column; one alone for a socket."""
    if row.kind in (Kind.SOCKET, Kind.SOCKETS):
        width = sum(width + 1 for _, width in columns) - 1
        tone = Tone.NAME if row.kind is Kind.SOCKETS else Tone.PLAIN
        return [Cell(fit(socket_text(row, looks), width, looks.glyphs.more), tone)]
    return [
        Cell(
            fit(column.text(row, looks, width), width, looks.glyphs.more, is_right=column.is_right),
            column.tone(row),
        )
        for column, width in columns
    ]


def socket_text(row: Row, looks: Looks) -> str:
    """Return what there is to say of a socket: it has no figures of processes."""
    head, socket = _name(row, looks, 0), row.socket
    if socket is None:
        return head
    reads = "" if socket.reads is None else f"  {socket.reads:7.1f} reads/s"
    past = "" if socket.reads is None else "  " + looks.glyphs.sparkline(socket.past, 10)
    connections = "" if socket.connections is None else f"  {socket.connections} open"
    waiting = "" if socket.waiting is None else f"  {socket.waiting} waiting"
    more = looks.glyphs.more
    return f"{fit(head, 30, more)} {fit(socket.name, 12, more)}{reads}{past}{connections}{waiting}"


def sortable(name: str) -> bool:
    """Return whether a click on the title of this column sorts by it."""
    return name in SORTS
