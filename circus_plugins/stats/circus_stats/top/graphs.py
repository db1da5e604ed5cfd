"""Bars and sparklines out of block characters, or of ASCII where these can't be shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["ASCII", "BLOCKS", "Glyphs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters that pictures are made of.

    Attributes:
        levels: from the lowest to the highest, for sparklines.
        parts: how much of a cell a bar fills, from nothing to all.
        expanded, collapsed, leaf: before the name of what can have something below it.
        indent: before the name of what is below.
        down, up: behind the title of the column by which is sorted.
        more: where text is cut.
    """

    levels: str
    parts: str
    expanded: str
    collapsed: str
    leaf: str
    indent: str
    down: str
    up: str
    more: str

    def bar(self, share: float | None, width: int) -> str:
        """Return a bar of so many cells, filled by a share of 0 to 1; more than 1 is shown as 1."""
        if share is None:
            return " " * width
        steps = len(self.parts) - 1
        filled = round(min(1.0, max(0.0, share)) * width * steps)
        whole, rest = divmod(filled, steps)
        return (self.parts[-1] * whole + (self.parts[rest] if rest else "")).ljust(width)

    def sparkline(self, values: Iterable[float | None], width: int, least: float = 10.0) -> str:
        """Return the last values, the newest at the right; blank where there is none.

        Args:
            least: the value that the full height stands for if no value is larger.
        """
        shown = list(values)[-width:] if width > 0 else []
        highest = max([least, *(value for value in shown if value is not None)])
        top = len(self.levels) - 1
        cells = (
            " " if value is None else self.levels[round(top * max(0.0, value) / highest)] for value in shown
        )
        return "".join(cells).rjust(width)


BLOCKS: Final = Glyphs(
    levels="▁▂▃▄▅▆▇█",
    parts=" ▏▎▍▌▋▊▉█",
    expanded="▾ ",
    collapsed="▸ ",
    leaf="  ",
    indent="    ",
    down="▼",
    up="▲",
    more="…",
)

ASCII: Final = Glyphs(
    levels="_.-=+*%#",
    parts=" #",
    expanded="- ",
    collapsed="+ ",
    leaf="  ",
    indent="    ",
    down="v",
    up="^",
    more="~",
)
