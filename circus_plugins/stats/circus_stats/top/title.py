"""One line that says where the figures come from and how things stand. Pure."""

from __future__ import annotations

from circus_stats.top.figures import age_text, clean, percent_text
from circus_stats.top.known import Figures
from circus_stats.top.model import Model
from circus_stats.top.status import Feed, State, Status

__all__ = ["how_it_stands", "totals"]


def totals(model: Model) -> str:
    """Return how much there is of all."""
    watchers = model.shown_watchers()
    figures = Figures.sum([watcher.figures() for watcher in watchers])
    processes = sum(len(watcher.processes) for watcher in watchers)
    return (
        f"{_count(len(watchers), 'watcher')}  {_count(processes, 'process', 'es')}  "
        f"cpu {percent_text(figures.cpu)}%  mem {percent_text(figures.mem)}%"
    )


def how_it_stands(status: Status, now: float, interval: float | None) -> tuple[str, bool]:
    """Return what to say of the connection, and whether it is good news.

    Args:
        now: on the monotonic clock.
        interval: seconds between two rounds of the stream; None if unknown.
    """
    if status.is_login_over:
        return f"{status.trouble}: C makes a new one", False
    if status.state is State.LOST:
        return f"{status.trouble} for {age_text(now - status.since)}, trying again", False
    if status.feed is Feed.STREAM:
        every = "" if interval is None else f", every {age_text(interval)}"
        return f"live{every}", True
    if status.feed is Feed.ASKED:
        return "statsd is off: asking the daemon", True
    return clean(status.trouble) or "waiting for figures", False


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
