"""How things stand between circus-top and the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Feed", "State", "Status"]


class Feed(Enum):
    """Where figures come from."""

    NOTHING = "nothing"
    STREAM = "stream"  # circusd-stats publishes them
    ASKED = "stats"  # the daemon is asked by the command `stats`


class State(Enum):
    """How things stand with the daemon."""

    CONNECTING = "connecting"
    UP = "up"
    LOST = "lost"
    NOT_ASKED = "not asked"  # it is not known which control endpoint belongs to the statistics


@dataclass(slots=True)
class Status:
    """What the views show about the connection.

    Attributes:
        since: when `state` began, on the monotonic clock.
        trouble: why it is not up; empty if it is.
        stranger: the daemon whose figures are heard where ours should be; empty if there is none.
        is_login_over: nothing will come before there is a new login.
        refusal: what to say to who wants to do something; empty if that can be done.
    """

    state: State = State.CONNECTING
    since: float = 0.0
    trouble: str = ""
    feed: Feed = Feed.NOTHING
    stranger: str = ""
    is_login_over: bool = False
    refusal: str = ""
