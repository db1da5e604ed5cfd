"""Who listens is counted, what is not listened to costs nothing, and what is lost is told."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Callable

import pytest
import zmq

from circus_core import wire
from circus_core.events import Added, Event
from tests.controlled import Peers, Served

TIMEOUT = 90_000  # milliseconds


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topics of events that were put into words."""
    topics: list[str] = []
    encode = wire.encode_event

    def note(topic: str, payload: dict[str, object]) -> list[bytes]:
        topics.append(topic)
        return encode(topic, payload)

    monkeypatch.setattr(wire, "encode_event", note)
    return topics


def publish(served: Served, *events: Event) -> None:
    def publish_all() -> None:
        for event in events:
            served.controller.publish(event)

    served.on_loop(publish_all)


def listens(served: Served, topic: str) -> bool:
    assert served.controller._open is not None
    audience = served.controller._open.events.audience
    return bool(served.on_loop(lambda: not audience.is_empty and audience.wants(topic)))


def test_only_what_somebody_listens_to_is_put_into_words(
    served: Served, peers: Peers, encoded: list[str]
) -> None:
    web, db = Added(watcher="web", time=1.0), Added(watcher="db", time=2.0)
    publish(served, web)
    first = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.web.")
    second = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.web.")
    third = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.d")
    wait_until(
        lambda: listens(served, "watcher.web.add") and listens(served, "watcher.db.add"), "subscribers"
    )
    third.close(linger=0)
    wait_until(lambda: not listens(served, "watcher.db.add"), "one has gone")
    publish(served, db)
    first.setsockopt(zmq.UNSUBSCRIBE, b"watcher.web.")
    publish(served, web)
    assert second.poll(TIMEOUT)
    assert second.recv_multipart()[0] == b"watcher.web.add"
    second.close(linger=0)
    wait_until(lambda: not listens(served, "watcher.web.add"), "all have gone")
    publish(served, web, db)
    assert encoded == ["watcher.web.add"]


def test_storms_of_subscriptions_leave_nothing_behind_and_take_nothing_from_others(
    served: Served, peers: Peers
) -> None:
    keen = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.keen.")
    wait_until(lambda: listens(served, "watcher.keen.add"), "the keen one")

    def storm(mark: bytes) -> None:
        with Peers() as others:
            for turn in range(10):
                restless = others.subscriber(served.controller.pubsub_endpoint, b"watcher.keen.")
                for number in range(50):
                    restless.setsockopt(zmq.SUBSCRIBE, mark + b"%d" % number)
                    restless.setsockopt(zmq.UNSUBSCRIBE, mark + b"%d" % (number - turn % 2))
                restless.close(linger=0)

    storms = [threading.Thread(target=storm, args=(mark,)) for mark in (b"a", b"b", b"watcher.keen.")]
    for one in storms:
        one.start()
    for one in storms:
        one.join(20)
    assert served.controller._open is not None
    audience = served.controller._open.events.audience
    wait_until(
        lambda: (
            served.on_loop(lambda: (dict(audience._wanted), len(audience._refused)))
            == ({b"watcher.keen.": 1}, 0)
        ),
        "the end of the storm",
    )
    publish(served, Added(watcher="keen", time=7.0))
    assert keen.poll(TIMEOUT)
    assert json.loads(keen.recv_multipart()[1]) == {"time": 7.0}


def test_odd_messages_of_a_subscriber_silence_nobody(served: Served, peers: Peers) -> None:
    keen = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.keen.")
    wait_until(lambda: listens(served, "watcher.keen.add"), "the keen one")
    odd = peers.socket(zmq.XSUB)
    odd.connect(served.controller.pubsub_endpoint)
    odd.send(b"\1odd")
    odd.send(b"nonsense")
    odd.send(b"")
    odd.send(b"\0watcher.keen.")
    wait_until(lambda: listens(served, "odd"), "the odd one")
    odd.close(linger=0)
    wait_until(lambda: not listens(served, "odd"), "its end")
    publish(served, Added(watcher="keen", time=7.0))
    assert keen.poll(TIMEOUT)


def test_many_that_never_read_cost_bounded_memory_and_others_are_told_what_was_lost(peers: Peers) -> None:
    began = time.monotonic()
    with Served() as served:
        for _ in range(5):
            lazy = peers.socket(zmq.SUB)
            lazy.setsockopt(zmq.RCVHWM, 1)
            lazy.setsockopt(zmq.RCVBUF, 4096)
            lazy.setsockopt(zmq.SUBSCRIBE, b"watcher.noise")
            lazy.connect(served.controller.pubsub_endpoint)
        keen = peers.subscriber(served.controller.pubsub_endpoint, b"circusd.")
        wait_until(lambda: listens(served, "circusd.x") and listens(served, "watcher.noise"), "subscribers")
        burst = [Added(watcher="noise" * 20, time=float(number)) for number in range(5000)]

        def dropped() -> bool:
            publish(served, *burst)
            return served.controller.events_dropped > 0

        wait_until(dropped, "full queues")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(20):
            publish(served, *burst)
        assert (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024
        )  # KiB: 5 queues of 10 000
        told, counted = [], 0
        while counted < served.controller.events_dropped:
            assert keen.poll(TIMEOUT)
            topic, payload = keen.recv_multipart()
            assert topic == b"circusd.events_dropped"
            told.append(json.loads(payload))
            counted += told[-1]["count"]
            assert told[-1]["total"] == counted
        assert len(told) <= time.monotonic() - began + 1  # at most one a second
        assert served.on_loop(lambda: served.controller._report is None)
