"""`history`: what watchers have cost during the last hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from circus_core import CircusError, Command, MessageError, size_text
from circus_core.commands import ControlledArbiter, Option, Properties, Result, Word
from circus_stats.history import ACTIVITY, FIGURES, HOUR
from circus_stats.names import HISTORY_VARIABLE, WATCHER

__all__ = ["HistoryCommand", "HistoryRequest", "HistoryResult"]

_ALL: Final = (*FIGURES, *ACTIVITY)
_BYTES: Final = ("rss", "read_rate", "write_rate")
_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 60


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """`name`: None for all; `seconds`: how far back; `series`: their names."""

    name: str | None
    seconds: float
    series: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryResult(Result):
    """`histories`: a `Past` by the name of the watcher in lower case, `circus` or `sockets`."""

    histories: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"histories": dict(self.histories)}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(histories=reply["histories"])

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, past in self.histories.items():
            count = max((len(values) for values in past["series"].values()), default=0)
            yield f"{name}: {_duration(count * past['step'])}"
            for series, values in past["series"].items():
                yield f"  {series:10} {_bars(values)} {_summary(series, values)}"


class HistoryCommand(Command[HistoryRequest, HistoryResult]):
    """Show what watchers have cost during the last hour

    Each line has a series: its course, oldest first, and the least, the mean and the greatest value. cpu and
    mem are percent, rss is bytes, read_rate and write_rate are bytes per second; all are sums over the
    processes of the watcher and their descendants. reads (arrivals per second),
    connections and waiting are about all sockets. Up to 120
    seconds are told second by second, more in steps of ten seconds; of very many watchers at once the steps
    are longer, so that an answer has no more than 250000 values. Needs statsd = True.
    """

    name = "history"
    access = "read"
    arguments = (
        Word("name", "the watcher; circus and sockets too", is_required=False, completes="watcher"),
        Option("seconds", "how far back, at most 3600 (3600)"),
        Option("series", f"some of {','.join(_ALL)}, with commas between them"),
    )
    result = HistoryResult

    def parse(self, properties: Properties) -> HistoryRequest:
        name = properties.optional_text("name")
        seconds = properties.optional_number("seconds")
        return HistoryRequest(
            None if name is None else name.lower(),
            _checked(HOUR if seconds is None else seconds),
            tuple(_series(properties.optional_text("series"))),
        )

    async def execute(self, arbiter: ControlledArbiter, request: HistoryRequest) -> HistoryResult:
        from circus_stats.history_server import ask_history  # for circusd: circusctl needs no asyncio

        question = {"name": request.name, "seconds": request.seconds, "series": request.series}
        try:
            reply = await ask_history(_address(arbiter), question)
        except (OSError, TimeoutError, ValueError) as error:
            why = (getattr(error, "strerror", None) or str(error) or "no answer in time").lower()
            raise CircusError(
                f"circusd-stats does not tell: {why}; look at 'circusctl status {WATCHER}'"
            ) from error
        if request.name is not None and not reply["histories"]:
            raise MessageError(f"there is no history of '{request.name}'")
        return HistoryResult(histories=reply["histories"])


def _checked(seconds: float) -> float:
    if not 1 <= seconds <= HOUR:
        raise MessageError(f"seconds must be from 1 to {HOUR}, got {seconds:g}")
    return seconds


def _series(text: str | None) -> Sequence[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in _ALL:
            raise MessageError(f"series must be some of {', '.join(_ALL)}, got '{name}'")
    return names or _ALL


def _address(arbiter: ControlledArbiter) -> str:
    """Return the name at which circusd-stats answers; CircusError if there is none."""
    for watcher in arbiter.iter_watchers():
        if watcher.name.lower() == WATCHER:
            name = watcher.config.env.get(HISTORY_VARIABLE)
            if name is None:
                raise CircusError("there is no history here: the system has no abstract socket names")
            return name
    raise CircusError("there is no history: write statsd = True in [circus], then 'circusctl reloadconfig'")


def _duration(seconds: int) -> str:
    return f"the last {seconds} s" if seconds <= 120 else f"the last {seconds // 60} min"


def _bars(values: Sequence[float | None]) -> str:
    """Draw a course; a blank where nothing is known."""
    pieces = [_mean(piece) for piece in _pieces(values)]
    top = max((value for value in pieces if value is not None), default=0.0) or 1.0
    return "".join(" " if value is None else _bar(value / top) for value in pieces)


def _bar(part: float) -> str:
    return _BARS[min(len(_BARS) - 1, int(part * len(_BARS)))]


def _pieces(values: Sequence[float | None]) -> Iterator[Sequence[float | None]]:
    """Cut into equal pieces, so many as a line has room for."""
    count = min(_WIDTH, len(values))
    for number in range(count):
        yield values[number * len(values) // count : (number + 1) * len(values) // count]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _summary(series: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    parts = (("min", min(known)), ("mean", sum(known) / len(known)), ("max", max(known)))
    return "  ".join(f"{label} {_value(series, value)}" for label, value in parts)


def _value(series: str, value: float) -> str:
    return size_text(int(value)) if series in _BYTES else f"{value:.4g}"
