"""When is a watcher flapping, and what then? Pure: events and their times come in, decisions go out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from circus_core import Kind
from circus_flapping.options import KINDS

__all__ = [
    "CancelRestart",
    "Decision",
    "Detector",
    "GiveUp",
    "LookAgain",
    "Pause",
    "Phase",
    "Policy",
    "Restart",
    "read_policy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options, those of the plugin or those of one watcher.

    Attributes:
        attempts: deaths that count as flapping, at least 1.
        window: seconds of running time between the first and the last of them.
        retry_in: seconds from the stop to the next start.
        max_retry: pauses before the watcher is left stopped; -1: never give up.
        active: False leaves the watcher alone.
    """

    attempts: int = 2
    window: float = 1.0
    retry_in: float = 7.0
    max_retry: int = 5
    active: bool = True


def read_policy(options: Mapping[str, Any], default: Policy, prefix: str = "") -> Policy:
    """Return `default` with what `options` say under `prefix`; other keys are not looked at.

    Raises:
        ValueError: a value is not possible; the text names the option.
    """
    given = {key: options[prefix + key] for key in KINDS if options.get(prefix + key) is not None}
    return replace(default, **{key: _convert(prefix + key, KINDS[key], given[key]) for key in given})


def _convert(option: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.parse(value)
    except ValueError:
        raise ValueError(f"{option} must be {kind.accepts}, got {value!r}") from None


class Phase(Enum):
    """Where the plugin is with one watcher."""

    WATCHING = "watching"  # counts deaths
    STOPPING = "stopping"  # asked for the stop; its event is still to come
    PAUSED = "paused"  # stopped by the plugin, to be started when the pause is over
    STARTING = "starting"  # asked for the start; its event is still to come. Deaths count


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the watcher, and come back with `pause_over` after `retry_in` seconds; `attempt` counts from 1."""

    retry_in: float
    attempt: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop the watcher and leave it so. Should it not stop, the next row of deaths says so again."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The pause is over: start the watcher."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Its stop has not ended yet: come back with `pause_over` after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class CancelRestart:
    """Someone else started or stopped the watcher during the pause: nothing is due any more."""


Decision = Pause | GiveUp | Restart | LookAgain | CancelRestart


class Detector:
    """Counts the unexpected deaths of one watcher.

    Deaths are counted in a row. A death continues the row if its process lived less than `window` seconds
    and no process started since the death before has lived that long; otherwise the trouble was over and
    the row begins anew. Flapping: the last `attempts` deaths of the row lie within `window` seconds of
    *running time*. The pauses of the daemon between a quick death and the next spawn do not count, so a
    crash loop is found however far its deaths are apart.

    Times are those of the events, in seconds; only their differences matter. A clock set back between two
    events makes a difference negative: such a death begins a new row.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.phase = Phase.WATCHING
        self.tries = 0
        self._born: dict[int, float] = {}  # living processes whose spawn was seen: pid -> time
        self._told_to_stop: set[int] = set()
        self._row: list[float] = []  # per death: running time since the death before
        self._last_death = 0.0

    def spawned(self, pid: int, at: float) -> None:
        """A process came up."""
        self._born[pid] = at
        self._told_to_stop.discard(pid)

    def told_to_stop(self, pid: int) -> None:
        """The daemon signals a process because it is to end: its death will be no surprise."""
        self._told_to_stop.add(pid)

    def reaped(self, pid: int, at: float) -> Decision | None:
        """A process ended."""
        born = self._born.pop(pid, None)
        if pid in self._told_to_stop:
            self._told_to_stop.discard(pid)
            return None
        if not self.policy.active or self.phase not in (Phase.WATCHING, Phase.STARTING):
            return None
        self._count(None if born is None else at - born, at)
        return self._judge()

    def stopped(self) -> Decision | None:
        """The watcher has stopped, whoever asked for it."""
        self._forget_processes()
        before = self.phase
        self.phase = Phase.PAUSED if before is Phase.STOPPING else Phase.WATCHING
        return CancelRestart() if before is Phase.PAUSED else None

    def started(self) -> Decision | None:
        """The watcher has become active, whoever asked for it."""
        before = self.phase
        if before is Phase.STOPPING:  # of the start that our stop overtook
            return None
        self.phase = Phase.WATCHING
        if before is not Phase.STARTING:
            self.tries = 0
            self._row.clear()
        return CancelRestart() if before is Phase.PAUSED else None

    def pause_over(self, status: str, *, is_ours: bool = True) -> Decision | None:
        """The time of a Pause or LookAgain has passed.

        Args:
            status: the watcher's now.
            is_ours: nobody else has asked for the stop since.
        """
        if self.phase not in (Phase.STOPPING, Phase.PAUSED):
            return None
        if status == "stopping":
            return self._look_again()
        if status == "stopped" and is_ours:
            self._forget_processes()
            self.phase = Phase.STARTING
            return Restart()
        self.phase = Phase.WATCHING  # someone was quicker, or our stop was not carried out
        return CancelRestart()

    def found_paused(self, attempt: int) -> Pause:
        """The plugin comes back and finds the watcher stopped for this attempt: the pause begins anew."""
        self.phase = Phase.PAUSED
        self.tries = attempt
        return Pause(self.policy.retry_in, attempt)

    def not_asked(self) -> LookAgain:
        """The daemon did not answer when it was asked to start the watcher: the pause goes on."""
        self.phase = Phase.PAUSED
        return self._look_again()

    def let_go(self) -> None:
        """The watcher was not stopped by us after all: count its deaths again, and start nothing."""
        self.phase = Phase.WATCHING
        self._row.clear()

    def _forget_processes(self) -> None:
        self._born.clear()
        self._told_to_stop.clear()
        self._row.clear()

    def _look_again(self) -> LookAgain:
        return LookAgain(max(1.0, self.policy.retry_in))

    def _count(self, lived: float | None, at: float) -> None:
        apart = at - self._last_death
        is_new_trouble = lived is not None and (lived >= self.policy.window or self._is_recovered(at))
        if is_new_trouble:
            self.tries = 0
        if is_new_trouble or lived is None or lived < 0 or (self._row and apart < 0):
            self._row.clear()
        self._row.append(0.0 if lived is None else min(lived, apart))
        del self._row[: -self.policy.attempts]
        self._last_death = at

    def _is_recovered(self, at: float) -> bool:
        """Tell whether a process that was spawned after the last death has lived for `window` seconds."""
        return any(
            born >= self._last_death and at - born >= self.policy.window
            for pid, born in self._born.items()
            if pid not in self._told_to_stop
        )

    def _judge(self) -> Decision | None:
        if len(self._row) < self.policy.attempts or sum(self._row[1:]) > self.policy.window:
            return None
        self._row.clear()
        if 0 <= self.policy.max_retry <= self.tries:
            self.phase = Phase.WATCHING
            return GiveUp()
        self.phase = Phase.STOPPING
        self.tries += 1
        return Pause(self.policy.retry_in, self.tries)
