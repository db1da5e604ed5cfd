"""QueueStream: what an embedding program takes out, and the bound."""

from __future__ import annotations

import queue
import threading

import pytest

from circus_streams import QueueStream
from circus_streams.tests.samples import chunk, offer


def test_it_is_a_queue_of_the_mappings() -> None:
    stream = QueueStream(refresh_time="0.3")
    assert isinstance(stream, queue.Queue)
    first, second = chunk("a"), chunk("b")
    stream(first)
    stream(second)
    stream.close()
    assert stream.qsize() == 2
    assert stream.get() is first
    assert stream.get_nowait() is second


def test_a_full_queue_takes_nothing_more() -> None:
    stream = QueueStream(maxsize="1")
    stream(chunk("a"))
    with pytest.raises(OSError, match=r"^nobody takes output from the queue, 1 chunks wait$"):
        stream(chunk("b"))
    assert stream.qsize() == 1


def test_whoever_is_late_gets_everything() -> None:
    stream = QueueStream(maxsize=1)
    stream(chunk("a"))
    taker = threading.Timer(0.05, stream.get)
    taker.start()
    offer(lambda: stream(chunk("b")))
    taker.join()
    assert stream.get()["data"] == "b"


def test_it_is_bounded_when_nothing_is_said() -> None:
    assert QueueStream().maxsize == 1000
    assert QueueStream(maxsize=0).maxsize == 0


@pytest.mark.parametrize("text", ["many", "-1"])
def test_other_bounds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="maxsize must be a whole number"):
        QueueStream(maxsize=text)
