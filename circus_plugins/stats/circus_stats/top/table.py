"""The table of watchers and processes: only the lines that are on the screen are made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from circus_stats.top.columns import Cell, Column, Looks, cells, layout
from circus_stats.top.rows import Key, Kind, Row
from circus_stats.top.styles import FAINT, SELECTED, STYLES

__all__ = ["Table"]


class Table(ScrollView, can_focus=True):
    """Shows rows, one of them selected.

    The selection stays with what it is about, wherever that moves, and is kept in sight. As long as nobody
    has selected anything, and after the key for the first line, it is the first line, whatever is there.
    """

    DEFAULT_CSS: ClassVar[str] = "Table { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "go(0)", "first", show=False),
        Binding("end,G", "go(-1)", "last", show=False),
        Binding("left", "fold(True)", "collapse", show=False),
        Binding("right", "fold(False)", "expand", show=False),
        Binding("space,enter", "turn", "expand or collapse", show=False),
    ]

    class Folded(Message):
        """Somebody wants what is below a line shown or not."""

        def __init__(self, key: Key, *, is_collapsed: bool) -> None:
            super().__init__()
            self.key = key
            self.is_collapsed = is_collapsed

    class Moved(Message):
        """Another line was selected, at this time: what was typed behind that may be handled before this."""

        def __init__(self) -> None:
            super().__init__()
            self.at = time.monotonic()

    def __init__(self, looks: Looks) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self.columns: list[tuple[Column, int]] = []
        self._looks = looks
        self._cursor = 0
        self._is_chosen = False
        self._is_stale = False

    @property
    def selected(self) -> Row | None:
        """The selected row; None if there is no row."""
        return self.rows[self._cursor] if self._cursor < len(self.rows) else None

    def show(self, rows: Sequence[Row], looks: Looks, *, is_stale: bool) -> None:
        """Show these rows from now on; `is_stale`: they tell of the past."""
        before, was_in_sight = self.selected, self._is_in_sight()
        self.rows, self._looks, self._is_stale = rows, looks, is_stale
        self._cursor = self._place_of(before) if self._is_chosen else 0
        self.fit_columns()
        if was_in_sight and self._is_chosen:
            self._bring_into_sight()

    def fit_columns(self) -> None:
        """Fit the columns to the rows and the width."""
        self.columns = layout(self.scrollable_content_region.width, self.rows)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        at = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if at >= len(self.rows):
            return Strip.blank(width)
        line = cells(self.rows[at], self.columns, self._looks)
        return self._strip(line, is_selected=at == self._cursor, width=width)

    def _strip(self, line: Sequence[Cell], *, is_selected: bool, width: int) -> Strip:
        over = SELECTED if is_selected else FAINT if self._is_stale else Style()
        blank = Segment(" ", over)
        segments: list[Segment] = []
        for cell in line:
            segments += [Segment(cell.text, STYLES[cell.tone] + over), blank]
        length = sum(cell_len(cell.text) + 1 for cell in line)
        return Strip(segments, length).adjust_cell_length(width, over)

    # -- the selection -----------------------------------------------------------------------------------

    def _place_of(self, row: Row | None) -> int:
        """Return where a row is now; if it is gone, where its watcher is, else the same place."""
        if row is not None:
            places = {each.key: at for at, each in enumerate(self.rows)}
            head = None if row.watcher is None else (Kind.WATCHER.value, row.watcher.key, 0)
            for key in (row.key, head):
                if key is not None and key in places:
                    return places[key]
        return max(0, min(self._cursor, len(self.rows) - 1))

    def select(self, at: int) -> None:
        """Select the row at a place, the nearest one if there is none, and show it."""
        self._cursor = max(0, min(at, len(self.rows) - 1))
        self._is_chosen = True
        self._bring_into_sight()
        self.refresh()
        self.post_message(self.Moved())

    def _is_in_sight(self) -> bool:
        top = round(self.scroll_y)
        return top <= self._cursor < top + self.scrollable_content_region.height

    def _bring_into_sight(self) -> None:
        """Scroll as little as is needed to show the selected row."""
        top, height = round(self.scroll_y), self.scrollable_content_region.height
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, immediate=True)

    def action_move(self, by: int) -> None:
        self.select(self._cursor + by)

    def action_page(self, by: int) -> None:
        self.select(self._cursor + by * max(1, self.scrollable_content_region.height - 1))

    def action_go(self, to: int) -> None:
        self.select(to if to >= 0 else len(self.rows) - 1)
        self._is_chosen = to != 0

    # -- the tree ----------------------------------------------------------------------------------------

    def action_fold(self, is_collapsed: bool) -> None:
        """Collapse or expand; from a process, go to its watcher first."""
        row = self.selected
        if row is None:
            return
        if row.is_expanded is None:
            if is_collapsed:
                self._go_to_head()
        elif row.is_expanded is is_collapsed:
            self.post_message(self.Folded(row.key, is_collapsed=is_collapsed))

    def action_turn(self) -> None:
        """Expand what is collapsed, and collapse what is expanded."""
        row = self.selected
        if row is not None and row.is_expanded is not None:
            self.post_message(self.Folded(row.key, is_collapsed=row.is_expanded))

    def _go_to_head(self) -> None:
        for at in range(self._cursor, -1, -1):
            if self.rows[at].kind not in (Kind.PROCESS, Kind.SOCKET):
                self.select(at)
                return

    def on_click(self, event: events.Click) -> None:
        at = self.scroll_offset.y + event.y
        if at < len(self.rows):
            self.select(at)
            if event.x < 2:
                self.action_turn()

    def on_resize(self) -> None:
        self.fit_columns()
        if self._is_chosen:
            self._bring_into_sight()
