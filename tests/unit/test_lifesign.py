"""Who is taken for hung, in the time of a loop that stands still when we say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from circus_core.plugin.lifesign import Vigil


class Loop:
    """The part of a loop that a vigil uses, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Loop:
        self._due = [(when, callback)]
        return self

    def cancel(self) -> None:
        self._due = []

    @property
    def timers(self) -> int:
        return len(self._due)

    def pass_to(self, instant: float) -> None:
        """Let time pass, with each timer at its time."""
        while self._due and self._due[0][0] <= instant:
            when, callback = self._due.pop()
            self.now = max(self.now, when)
            callback()
        self.now = instant

    def stand_still_until(self, instant: float) -> None:
        """Let time pass without us: what was due is late."""
        self.now = instant
        self.pass_to(instant)


def _vigil(loop: Loop, timeout: float = 8.0, start: float = 0.0) -> tuple[Vigil, list[float]]:
    silences: list[float] = []
    as_loop: asyncio.AbstractEventLoop = loop  # type: ignore[assignment]  # what it needs of one
    return Vigil(as_loop, timeout=timeout, start=start, on_silence=silences.append), silences


def test_silence_is_told_once_when_the_time_is_over() -> None:
    loop = Loop()
    _, silences = _vigil(loop)
    loop.pass_to(7.9)
    assert silences == []
    loop.pass_to(100)
    assert silences == [8.0]


def test_signs_in_time_are_enough() -> None:
    loop = Loop()
    vigil, silences = _vigil(loop)
    for second in range(2, 200, 2):
        loop.pass_to(second)
        vigil.sign()
    assert silences == []
    assert loop.timers == 1
    loop.pass_to(300)
    assert silences == [8.0]


def test_a_start_may_take_longer_than_a_silence_afterwards() -> None:
    loop = Loop()
    vigil, silences = _vigil(loop, start=60)
    loop.pass_to(59)
    assert silences == []
    vigil.sign()
    loop.pass_to(66.9)
    assert silences == []
    assert loop.timers == 1
    loop.pass_to(100)
    assert silences == [8.0]


def test_a_start_that_does_not_end_is_told_with_its_time() -> None:
    loop = Loop()
    vigil, silences = _vigil(loop, start=60)
    loop.pass_to(59.9)
    assert silences == []
    loop.pass_to(200)
    vigil.sign()  # the last one of who is about to be killed
    loop.pass_to(300)
    assert silences == [60.0]


def test_a_start_may_take_as_long_as_a_silence() -> None:
    loop = Loop()
    _, silences = _vigil(loop, timeout=80, start=60)
    loop.pass_to(79.9)
    assert silences == []
    loop.pass_to(200)
    assert silences == [80.0]


def test_a_sign_in_the_last_quarter_is_in_time() -> None:
    loop = Loop()
    vigil, silences = _vigil(loop)
    loop.pass_to(7)
    vigil.sign()
    loop.pass_to(14.5)
    assert silences == []


def test_a_standstill_of_the_daemon_is_no_silence_of_the_plugin() -> None:
    loop = Loop()
    vigil, silences = _vigil(loop)
    loop.pass_to(5)
    vigil.sign()
    loop.stand_still_until(1000)
    assert silences == []
    loop.pass_to(1001.9)
    vigil.sign()  # the first one that could come since
    loop.pass_to(1009)
    assert silences == []


def test_a_standstill_in_the_last_quarter_begins_it_anew() -> None:
    loop = Loop()
    _, silences = _vigil(loop)
    loop.pass_to(7)
    loop.stand_still_until(1000)
    assert silences == []
    loop.pass_to(1002)
    assert silences == [1002.0]


def test_nothing_is_told_after_the_end() -> None:
    loop = Loop()
    vigil, silences = _vigil(loop)
    vigil.end()
    loop.pass_to(100)
    assert silences == []
    assert loop.timers == 0
