"""The lines above and below the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from circus_stats.top.columns import Column, fit, sortable

__all__ = ["Bar", "Details", "Headings"]

Part = tuple[str, Style]

_LINES: Final = 4


class Bar(Widget):
    """One line: parts from the left, and a text at the right that is never cut off by them."""

    DEFAULT_CSS: ClassVar[str] = "Bar { height: 1; width: 100%; }"

    def __init__(self, style: Style | None = None, *, more: str = "…", id: str | None = None) -> None:
        """`style` is below those of the parts; `more` marks where the left is cut."""
        super().__init__(id=id)
        self._style = Style() if style is None else style
        self._more = more
        self._left: Sequence[Part] = ()
        self._right: Part = ("", Style())

    def show(self, left: Sequence[Part], right: Part | None = None) -> None:
        """Show this from now on."""
        right = right or ("", Style())
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text, style = self._right
        text = fit(text, min(cell_len(text), width), self._more)
        left = list(self._cut(width - cell_len(text) - (1 if text else 0)))
        used = sum(cell_len(segment.text) for segment in left)
        blank = Segment(" " * (width - used - cell_len(text)), self._style)
        return Strip([*left, blank, Segment(text, self._style + style)], width)

    def _cut(self, room: int) -> Sequence[Segment]:
        """Return the parts that there is room for; the last one has the mark at its end if there are more."""
        shown: list[Part] = []
        for text, style in self._left:
            if room <= 0 and shown:
                last, style = shown.pop()
                shown.append((fit(f"{last} ", cell_len(last), self._more), style))
                break
            shown.append((fit(text, min(room, cell_len(text)), self._more), style))
            room -= cell_len(text)
        return [Segment(text, self._style + style) for text, style in shown]


class Details(Bar):
    """A bar that grows for a message: up to four lines, so that the way out of a trouble can be read."""

    DEFAULT_CSS: ClassVar[str] = "Details { height: 1; width: 100%; }"

    def __init__(self, *, more: str = "…") -> None:
        super().__init__(more=more)
        self._lines: Sequence[str] = ()
        self._message_style = Style()

    def tell(self, text: str, style: Style) -> None:
        """Show a message instead of what a bar shows."""
        lines = chop_cells(text, max(1, self.size.width - 2))[:_LINES]
        if (lines, style) != (self._lines, self._message_style):
            self._lines, self._message_style = lines, style
            self.styles.height = max(1, len(lines))
            self.refresh()

    def show(self, left: Sequence[Part], right: Part | None = None) -> None:
        if self._lines:
            self._lines = ()
            self.styles.height = 1
            self.refresh()
        super().show(left, right)

    def render_line(self, y: int) -> Strip:
        if not self._lines:
            return super().render_line(y)
        text = f" {self._lines[y]} " if y < len(self._lines) else ""
        return Strip([Segment(text, self._message_style)]).adjust_cell_length(self.size.width)


class Headings(Widget):
    """The titles of the columns; a click sorts."""

    DEFAULT_CSS: ClassVar[str] = "Headings { height: 1; width: 100%; }"

    class Chosen(Message):
        """Somebody wants the table sorted by this column."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, style: Style) -> None:
        super().__init__()
        self._style = style
        self._titles: Sequence[tuple[str, Column]] = ()

    def show(self, titles: Sequence[tuple[str, Column]]) -> None:
        """Show these titles, each as wide as its column."""
        if titles != self._titles:
            self._titles = titles
            self.refresh()

    def render_line(self, y: int) -> Strip:
        text = " ".join(title for title, _ in self._titles)
        return Strip([Segment(text, self._style)]).adjust_cell_length(self.size.width, self._style)

    def on_click(self, event: events.Click) -> None:
        at = 0
        for title, column in self._titles:
            at += cell_len(title) + 1
            if event.x < at:
                if sortable(column.name):
                    self.post_message(self.Chosen(column.name))
                return
