"""One line that says where the figures come from and how things stand. Pure."""

from __future__ import annotations

from circus_stats.top.figures import age_text, clean, percent_text
from circus_stats.top.known import Figures
from circus_stats.top.model import STATS_WATCHER, Model
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


def how_it_stands(status: Status, model: Model, now: float) -> tuple[str, bool]:
    """Return what to say of the connection, and whether it is good news; `now` is on the monotonic clock."""
    if status.is_login_over:
        return f"{status.trouble}: C makes a new one", False
    if status.state is State.LOST:
        return f"{status.trouble} for {age_text(now - status.since)}, trying again", False
    if status.feed is Feed.STREAM:
        every = "" if model.interval is None else f", every {age_text(model.interval)}"
        return f"live{every}", True
    if status.stranger:
        whose = clean(status.stranger.partition("@")[0])
        return f"stats_endpoint is circusd {whose}'s: asking the daemon", False
    if status.feed is Feed.ASKED:
        why = "circusd-stats is silent" if STATS_WATCHER in model.watchers else "statsd is off"
        return f"{why}: asking the daemon", True
    return clean(status.trouble) or f"no figures yet for {age_text(now - status.since)}", False


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
