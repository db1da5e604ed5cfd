"""The screen that follows the output of a watcher, or of one of its processes."""

from __future__ import annotations

import asyncio
import re
import textwrap
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip

from circus_core import CircusError
from circus_stats.top.actions import Target
from circus_stats.top.bars import Bar
from circus_stats.top.columns import Tone
from circus_stats.top.figures import clean
from circus_stats.top.session import Session
from circus_stats.top.styles import ALARM, BAR, FAINT, KEY, STYLES

__all__ = ["Output"]

KEPT: Final = 5000
"""Lines that can be scrolled back to."""

_BEFORE: Final = 500
"""Lines from before that are asked for."""

_RETRY: Final = 1.0
"""Seconds before it is tried again where the daemon said no, or nothing."""

_COLOURS: Final = re.compile(r"\x1b\[[0-9;:]*m")
_STEP: Final = 20


class Lines(ScrollView, can_focus=True):
    """Lines of output; it stays at the end unless somebody has scrolled up."""

    DEFAULT_CSS: ClassVar[str] = "Lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up"),
        Binding("down,j", "scroll_down"),
        Binding("pageup,b", "page_up"),
        Binding("pagedown,space", "page_down"),
        Binding("home,g", "scroll_home"),
        Binding("end,G,f", "follow"),
        Binding("left", "aside(-1)"),
        Binding("right", "aside(1)"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[tuple[str, Style]] = deque(maxlen=KEPT)
        self._from = 0  # characters that are left out at the left

    def add(self, lines: list[tuple[str, Style]]) -> None:
        """Show further lines."""
        is_at_end = self.is_vertical_scroll_end
        dropped = max(0, len(self.lines) + len(lines) - KEPT)
        self.lines.extend(lines)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.lines))
        if is_at_end:
            self.action_follow()
        elif dropped:
            self.scroll_to(y=max(0, round(self.scroll_y) - dropped), animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        at, width = self.scroll_offset.y + y, self.scrollable_content_region.width
        if at >= len(self.lines):
            return Strip.blank(width)
        text, style = self.lines[at]
        if self._from:
            text = text[self._from :]
        if cell_len(text) > width:
            text = set_cell_size(text, width)
        return Strip([Segment(text, style)]).adjust_cell_length(width)

    def action_follow(self) -> None:
        self.scroll_end(animate=False, immediate=True, force=True)

    def action_aside(self, by: int) -> None:
        self._from = max(0, self._from + by * _STEP)
        self.refresh()


class Output(Screen[None]):
    """Follows what a watcher prints, or one process of it, until it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,l", "leave")]

    def __init__(self, session: Session, target: Target) -> None:
        super().__init__()
        self._session = session
        self._target = target
        self._title_bar = Bar(BAR)
        self._lines = Lines()
        self._keys = Bar()
        self._said: set[str] = set()

    def compose(self) -> ComposeResult:
        yield self._title_bar
        yield self._lines
        yield self._keys

    def on_mount(self) -> None:
        self._tell("")
        self._keys.show([("esc", KEY), (" back  ", FAINT), ("end", KEY), (" follow  ", FAINT),
                         ("arrows", KEY), (" scroll", FAINT)])  # fmt: skip
        self._lines.focus()
        self.run_worker(self._follow(), exclusive=True, exit_on_error=True)

    def action_leave(self) -> None:
        self.dismiss(None)

    async def _follow(self) -> None:
        """Show what comes; what goes wrong is shown, and it is tried again."""
        lines = _BEFORE
        while True:
            try:
                async for reply in self._session.output(self._target.name, lines):
                    self._tell("")
                    self._add(reply)
                self._tell("circusd ends")
            except CircusError as error:
                self._tell(clean(error))
            lines = 0  # not once more what is there already
            await asyncio.sleep(_RETRY)

    def _tell(self, trouble: str) -> None:
        right = (f" {trouble} ", ALARM) if trouble else None
        self._title_bar.show([(f" output of {self._target.text}", KEY)], right)

    def _add(self, reply: Mapping[str, Any]) -> None:
        found = [
            (_line_text(line), STYLES[Tone.WARNING if line.get("stream") == "stderr" else Tone.PLAIN])
            for line in reply.get("lines", ())
            if self._target.pid in (None, line.get("pid"))
        ]
        for lost in (reply.get("lost") or {}).values():
            found.insert(0, (f"--- {lost} bytes were not kept ---", FAINT))
        for reason in (reply.get("missing") or {}).values():
            if reason not in self._said:
                self._said.add(reason)
                text = f"nothing to see: {clean(reason)}"
                found += [(line, FAINT) for line in textwrap.wrap(text, max(20, self.size.width - 2))]
        if found:
            self._lines.add(found)


def _line_text(line: Mapping[str, Any]) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(float(line.get("time") or 0)))
    message = _COLOURS.sub("", str(line.get("message", ""))).expandtabs()
    return f"{at} {clean(line.get('watcher', ''))}.{line.get('wid')} | {clean(message)}"
