"""What the tones look like: the colours of the terminal's own palette, which its user has chosen."""

from __future__ import annotations

from typing import Final

from rich.style import Style

from circus_stats.top.columns import Tone

__all__ = ["ALARM", "BAR", "CALM", "FAINT", "KEY", "SELECTED", "STYLES"]

STYLES: Final = {
    Tone.PLAIN: Style(),
    Tone.NAME: Style(bold=True),
    Tone.GOOD: Style(color="green"),
    Tone.WARNING: Style(color="yellow"),
    Tone.BAD: Style(color="red", bold=True),
    Tone.FAINT: Style(dim=True),
    Tone.CPU: Style(color="cyan"),
    Tone.MEM: Style(color="magenta"),
}

SELECTED: Final = Style(reverse=True)
BAR: Final = Style(reverse=True)
KEY: Final = Style(bold=True)
FAINT: Final = Style(dim=True)
CALM: Final = Style(color="green")
ALARM: Final = Style(color="red", bold=True, reverse=True)
