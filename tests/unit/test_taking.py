"""Turns of sinks that take output from pipes: when they end, what is kept, who owns the descriptor."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from circus_core.output.taking import TURN_SIZE, Turn

LABELS = {"pid": 1, "name": "stdout", "watcher": "w", "wid": 1}


class Reading:
    """A sink that reads, or moves without telling what."""

    def __init__(self, is_blind: bool = False) -> None:
        self.is_blind = is_blind
        self.got = b""
        self.refusals = 0

    def take(self, fd: int, labels: Mapping[str, Any]) -> bytes | int:
        if self.refusals:
            self.refusals -= 1
            raise OSError(28, "no space left on device")
        data = os.read(fd, 65536)
        self.got += data
        return len(data) if self.is_blind else data

    def recall(self, labels: Mapping[str, Any], size: int) -> bytes:
        return self.got[-size:]


class Endless(Reading):
    def take(self, fd: int, labels: Mapping[str, Any]) -> bytes | int:
        return 65536


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    yield ours, theirs
    for fd in (ours, theirs):
        try:
            os.close(fd)
        except OSError:
            continue


def turn(sink: Reading, fd: int, *, keep: int = 100, is_alone: bool = False) -> Turn:
    return Turn(sink, fd, LABELS, keep=keep, is_alone=lambda: is_alone)


@pytest.mark.parametrize("is_blind", [False, True])
def test_a_turn_takes_all_and_keeps_the_end(pipe: tuple[int, int], is_blind: bool) -> None:
    ours, theirs = pipe
    os.write(theirs, b"0123456789" * 100)
    sink = Reading(is_blind)
    taken = turn(sink, ours, keep=15)
    taken()
    assert (taken.count, taken.last) == (1000, b"567890123456789"[-15:])
    assert (taken.is_empty, taken.is_over) == (True, False)
    assert sink.got == b"0123456789" * 100


def test_the_end_of_the_pipe_is_told(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    os.write(theirs, b"last")
    os.close(theirs)
    taken = turn(Reading(), ours)
    taken()
    assert (taken.count, taken.is_empty, taken.is_over) == (4, False, True)


def test_a_turn_ends_when_it_has_had_its_share(pipe: tuple[int, int]) -> None:
    taken = turn(Endless(), pipe[0], keep=0)
    taken()
    assert (taken.count, taken.last) == (TURN_SIZE, b"")


def test_a_turn_goes_on_for_a_while_if_nobody_waits(pipe: tuple[int, int]) -> None:
    taken = turn(Endless(), pipe[0], keep=0, is_alone=True)
    taken()
    assert taken.count > TURN_SIZE


def test_what_was_refused_is_taken_by_the_next_call(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    os.write(theirs, b"line\n")
    sink = Reading()
    sink.refusals = 1
    taken = turn(sink, ours)
    with pytest.raises(OSError, match="no space"):
        taken()
    taken()
    assert (taken.count, sink.got) == (5, b"line\n")


def test_a_revoked_turn_takes_nothing(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    os.write(theirs, b"line\n")
    sink = Reading()
    taken = turn(sink, ours)
    assert taken.revoke()
    taken()
    assert sink.got == b""
    assert os.read(ours, 10) == b"line\n"


def test_a_descriptor_is_closed_when_a_thread_that_uses_it_lets_go(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    began, go_on = threading.Event(), threading.Event()

    class Slow(Reading):
        def take(self, fd: int, labels: Mapping[str, Any]) -> bytes | int:
            began.set()
            go_on.wait(30)
            return super().take(fd, labels)

    taken = turn(Slow(), ours)
    thread = threading.Thread(target=taken)
    thread.start()
    began.wait(30)
    assert not taken.revoke()
    taken.close()
    with pytest.raises(BrokenPipeError):
        os.write(theirs, b"nobody reads this")
    assert os.fstat(ours)
    go_on.set()
    thread.join(30)
    assert taken.is_over
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ours)
