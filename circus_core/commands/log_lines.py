"""How circusctl shows lines of output: behind watcher and worker number, each watcher in its colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from circus_core.commands.colours import Colour, paint
from circus_core.commands.command import Answer

if TYPE_CHECKING:
    from circus_core.commands.logs import LogsResult

__all__ = ["LogLines"]

_COLOURS: Final[tuple[Colour, ...]] = ("cyan", "yellow", "green", "magenta", "blue", "red")


class LogLines:
    """Makes answers of replies; remembers how wide the names are, and what was said once."""

    def __init__(self, *, wants_colours: bool) -> None:
        self._wants_colours = wants_colours
        self._width = 0
        self._colours: dict[str, Colour] = {}
        self._next_colour = cycle(_COLOURS)
        self._said: set[str] = set()

    def answers(self, result: LogsResult) -> Iterator[Answer]:
        """Yield what a reply tells: what is missing or lost, then the lines."""
        yield from self._missing(result.missing)
        for name, size in result.lost.items():
            yield _aside({"watcher": name, "lost_bytes": size}, f"{name}: {size} bytes are lost here")
        self._widen(result.lines)
        for line in result.lines:
            yield Answer(line, lambda line=line: self._text(line))  # type: ignore[misc]

    def text(self, result: LogsResult) -> str:
        """Return the lines alone."""
        self._widen(result.lines)
        return "\n".join(self._text(line) for line in result.lines)

    def _text(self, line: Mapping[str, Any]) -> str:
        label = f"{_label(line):{self._width}} |"
        if self._wants_colours:
            label = paint(label, self._colour(line["watcher"]))
        return f"{label} {line['message'].removesuffix(chr(13))}"

    def _widen(self, lines: Any) -> None:
        self._width = max((self._width, *(len(_label(line)) for line in lines)))

    def _colour(self, watcher: str) -> Colour:
        if watcher not in self._colours:
            self._colours[watcher] = next(self._next_colour)
        return self._colours[watcher]

    def _missing(self, reasons: Mapping[str, str]) -> Iterator[Answer]:
        """Say once of each watcher why there is nothing, in one line for all with the same reason."""
        watchers: dict[str, list[str]] = {}
        for name, reason in reasons.items():
            if name not in self._said:
                self._said.add(name)
                watchers.setdefault(reason, []).append(name)
        for reason, names in watchers.items():
            yield _aside({"watchers": names, "missing": reason}, f"nothing of {', '.join(names)}: {reason}")


def _label(line: Mapping[str, Any]) -> str:
    return f"{line['watcher']}.{line['wid']}"


def _aside(data: Mapping[str, Any], text: str) -> Answer:
    return Answer(data, lambda: text, is_aside=True)
