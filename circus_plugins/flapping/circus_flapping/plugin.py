"""The plugin: events to the detector, its decisions to the daemon."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field
from typing import Any, Final

from circus_core import CallError, CircusPlugin
from circus_flapping.detector import (
    CancelRestart,
    Decision,
    Detector,
    GiveUp,
    LookAgain,
    Pause,
    Policy,
    Restart,
    read_policy,
)

__all__ = ["Flapping"]

_logger = logging.getLogger("circus")

_LOOK_BACK: Final = 5.0
"""Seconds until the daemon is asked again for what an earlier life of this plugin has left paused."""

_LATEST: Final = 300.0
"""Seconds: an event that seems to be older than this comes from another clock."""

_PAUSED: Final = re.compile(r"flapping: .*\(attempt number (\d+)\)")


@dataclass(slots=True)
class _Watched:
    """One watcher.

    Attributes:
        is_known: its own options were read.
        is_marked: the daemon shows our reason for its stop; when that goes, someone else asked for the stop.
        timer: what ends the pause, to be cancelled; None when there is no pause.
        asked_at: when the daemon was last asked about it, before it was told to stop or start it. What
            happened before that is known, also if the event comes late because there are so many.
    """

    name: str
    detector: Detector
    is_known: bool = False
    is_marked: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    asked_at: float = 0.0

    def is_known_already(self, at: float) -> bool:
        """Tell whether an event of this time is from before we last did something."""
        return 0 < self.asked_at - at < _LATEST


class Flapping(CircusPlugin):
    """Stops a watcher whose processes die again and again, and tries it again after a pause.

    Attributes:
        policy: the options of its section.
    """

    name = "flapping"

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.policy = read_policy(config, Policy())
        self._names: dict[str, list[str]] = {}  # by name in events
        self._watched: dict[str, _Watched | None] = {}  # by name in events; None: not ours to touch

    def handle_init(self) -> None:
        self.asyncio_loop.call_soon(self._adopt)

    def handle_stop(self) -> None:
        for watched in self._watched.values():
            self._cancel(watched)

    def handle_recv(self, data: list[bytes]) -> None:
        in_event, action, message = self.split_data(data)
        if action in ("add", "remove"):
            self._names.clear()
            self._cancel(self._watched.pop(in_event, None))
            return
        watched = self._find(in_event)
        if watched is not None:
            self._take(watched, action, self.load_message(message))

    def _take(self, watched: _Watched, action: str, event: dict[str, Any]) -> None:
        detector = watched.detector
        if action != "updated" and watched.is_known_already(event["time"]):
            return
        match action:
            case "spawn":
                detector.spawned(event["process_pid"], event["time"])
            case "kill":
                detector.told_to_stop(event["process_pid"])
            case "reap":
                self._read_options(watched)
                self._carry_out(watched, detector.reaped(event["process_pid"], event["time"]))
            case "start":
                self._carry_out(watched, detector.started())
            case "stop":
                self._carry_out(watched, detector.stopped())
            case "state":
                watched.is_marked = _PAUSED.fullmatch(event["reason"]) is not None
            case "updated":
                watched.is_known = False

    # -- who is it -----------------------------------------------------------------------------------------

    def _find(self, in_event: str) -> _Watched | None:
        if in_event in self._watched:
            return self._watched[in_event]
        if in_event not in self._names:
            self._names = self.watcher_names()
        if in_event not in self._names:
            return None  # gone already
        watched = self._watched[in_event] = self._new(self._names[in_event])
        return watched

    def _new(self, names: list[str]) -> _Watched | None:
        if len(names) > 1:
            _logger.warning(
                "flapping: %s are one name in events, so they are left alone", " and ".join(names)
            )
            return None
        if names[0] == self.config.get("name"):
            return None
        return _Watched(names[0], Detector(self.policy))

    def _read_options(self, watched: _Watched) -> None:
        """Read what the watcher says itself, unless that was done since its last change."""
        if watched.is_known:
            return
        reply = self.call("options", name=watched.name)
        options = reply.get("options", {})
        try:
            policy = read_policy(options, self.policy, prefix=f"{self.name}.")
        except ValueError as error:
            _logger.error("watcher %r: %s; the plugin's own options are used", watched.name, error)
            policy = self.policy
        watched.detector.policy = policy if options.get("respawn", True) else Policy(active=False)
        watched.is_known = True

    def _adopt(self) -> None:
        """Take up the pauses of an earlier life: the daemon still shows why those watchers are stopped."""
        try:
            self._names = self.watcher_names()
            reasons: dict[str, str] = self.call("status").get("reasons", {})
            for in_event, names in self._names.items():
                paused = _PAUSED.fullmatch(reasons.get(names[0], ""))
                if paused and len(names) == 1:
                    self._resume(in_event, int(paused[1]))
        except CallError:
            self.asyncio_loop.call_later(_LOOK_BACK, self._adopt)

    def _resume(self, in_event: str, attempt: int) -> None:
        watched = self._find(in_event)
        if watched is not None and watched.timer is None:
            self._read_options(watched)
            watched.is_marked = True
            self._arm(watched, watched.detector.found_paused(attempt).retry_in)

    # -- what to do ----------------------------------------------------------------------------------------

    def _carry_out(self, watched: _Watched, decision: Decision | None) -> None:
        match decision:
            case Pause(retry_in, attempt):
                _logger.info(
                    "%s: flapping detected: retry in %2gs (attempt number %d)",
                    watched.name,
                    retry_in,
                    attempt,
                )
                at = time.strftime("%H:%M:%S", time.localtime(time.time() + retry_in))
                if self._stop(watched, f"flapping: to be started at {at} (attempt number {attempt})"):
                    self._arm(watched, retry_in)
            case GiveUp():
                _logger.warning("%s: flapping detected: reached max retry limit", watched.name)
                self._stop(watched, "flapping: reached max retry limit")
            case LookAgain(delay):
                self._arm(watched, delay)
            case CancelRestart():
                _logger.info("%s: started or stopped by someone else, no further attempt", watched.name)
                self._cancel(watched)
            case Restart():
                self._start(watched)

    def _stop(self, watched: _Watched, reason: str) -> bool:
        """Stop the watcher, unless someone else is about to; tell whether it is ours to start again."""
        try:
            state = self.call("status", name=watched.name)
            if state["status"] in ("stopped", "stopping"):
                watched.detector.let_go()
                return False
            watched.asked_at = state.get("time", 0.0)
            reply = self.call("stop", name=watched.name, match="simple", reason=reason)
        except CallError as error:
            # It may have been heard all the same: then the pause ends as if nothing had happened.
            _logger.error("%s: stop: %s", watched.name, error)
            return True
        if reply["status"] == "error":
            _logger.error("%s: stop: %s", watched.name, reply["reason"])
            watched.detector.let_go()
        return bool(reply["status"] != "error")

    def _pause_over(self, watched: _Watched) -> None:
        watched.timer = None
        try:
            reply = self.call("status", name=watched.name)
        except CallError as error:
            _logger.error("%s: %s", watched.name, error)
            self._carry_out(watched, watched.detector.not_asked())
            return
        watched.asked_at = reply.get("time", 0.0)
        reason = reply.get("reasons", {}).get(watched.name, "")
        is_ours = not watched.is_marked or _PAUSED.fullmatch(reason) is not None
        self._carry_out(watched, watched.detector.pause_over(reply["status"], is_ours=is_ours))

    def _start(self, watched: _Watched) -> None:
        try:
            reply = self.call("start", name=watched.name, match="simple")
        except CallError as error:
            _logger.error("%s: start: %s", watched.name, error)
            self._carry_out(watched, watched.detector.not_asked())
            return
        if reply["status"] == "error":
            _logger.error("%s: start: %s", watched.name, reply["reason"])
            watched.detector.let_go()

    def _arm(self, watched: _Watched, delay: float) -> None:
        self._cancel(watched)
        watched.timer = self.asyncio_loop.call_later(delay, self._pause_over, watched)

    def _cancel(self, watched: _Watched | None) -> None:
        if watched is not None and watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None
