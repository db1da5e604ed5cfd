"""Requests, replies and events over real endpoints."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus_core import wire
from circus_core.clients.client import CircusClient
from circus_core.commands.command import Command, Done
from circus_core.commands.properties import Properties
from circus_core.config.model import ArbiterConfig
from circus_core.drivers import Drivers
from circus_core.errors import CallTimeoutError, CommandError, EndpointError, RefusedError
from circus_core.events import Added
from circus_core.hookspecs.verdict import ALLOWED, Verdict
from tests.controlled import NoHooks, Peers, Served, find_command

TIMEOUT = 90_000  # milliseconds


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


def receive(peer: zmq.Socket[bytes]) -> Any:
    assert peer.poll(TIMEOUT), "no reply"
    frames = peer.recv_multipart()
    assert len(frames) == 1
    return json.loads(frames[0])


def test_a_request_is_answered(served: Served) -> None:
    with CircusClient(served.controller.endpoint, timeout=20) as client:
        reply = client.call({"command": "STATUS", "properties": {"name": "lazy"}})
    assert list(reply) == ["status", "time", "id"]
    assert reply["status"] == "stopped"


def test_a_refusal_is_raised_with_its_reason(served: Served) -> None:
    with (
        CircusClient(served.controller.endpoint, timeout=20) as client,
        pytest.raises(RefusedError, match=r"^program ghost not found$") as caught,
    ):
        client.send("start", name="ghost")
    assert caught.value.errno == 3
    assert caught.value.reply["tb"] is None


def test_a_waiting_request_holds_up_nobody(served: Served) -> None:
    served.hold()
    with (
        CircusClient(served.controller.endpoint, timeout=20) as patient,
        CircusClient(served.controller.endpoint, timeout=0.2) as impatient,
    ):
        with pytest.raises(CallTimeoutError, match=r"^Timed out\."):
            impatient.send("stop", waiting=True)
        assert patient.send("list")["watchers"] == ["lazy", "sleeper", "web one"]
        assert patient.send("stop", name="sleeper")["status"] == "ok"
    served.release()


def test_the_reply_of_a_waiting_request_may_be_overtaken(served: Served, peers: Peers) -> None:
    served.hold()
    peer = peers.dealer(served.controller.endpoint)
    peer.send(wire.encode_request("start", {"name": "lazy", "waiting": True}, request_id=1))
    peer.send(wire.encode_request("list", {}, request_id=2))
    assert receive(peer)["id"] == 2
    served.release()
    assert receive(peer)["id"] == 1


def test_a_req_socket_gets_its_empty_frame_back(served: Served, peers: Peers) -> None:
    peer = peers.socket(zmq.REQ)
    peer.connect(served.controller.endpoint)
    peer.send(b'{"command": "numwatchers"}')
    assert receive(peer)["numwatchers"] == 3


def test_a_cast_is_carried_out_and_never_answered(served: Served, peers: Peers) -> None:
    peer = peers.dealer(served.controller.endpoint)
    peer.send(wire.encode_request("incr", {"name": "sleeper"}, is_cast=True))
    peer.send(wire.encode_request("nope", {}, is_cast=True, request_id=1))
    peer.send(wire.encode_request("list", {"name": "sleeper"}, request_id=2))
    reply = receive(peer)
    assert (reply["id"], len(reply["pids"])) == (2, 3)


GARBAGE = [
    (b"", 1), (b"   ", 1), (b"\xff\xfe", 1), (b"{", 1), (b"NaN", 1), (b"[" * 200_000, 1), (b"9" * 10_000, 1),
    (b"[]", 3), (b"17", 3), (b"null", 3), (b'"list"', 3), (b"{}", 3), (b'{"command": null}', 3),
    (b'{"command": 5}', 3), (b'{"command": []}', 3), (b'{"command": "list", "properties": 5}', 3),
    (b"[" * 100 + b"]" * 100, 3), (b'{"command": "nope"}', 2), (b'{"command": ""}', 2),
    (b'{"command": "os.system"}', 2), (b'{"command": "os:system"}', 2), (b'{"command": "\\ud800"}', 2),
]  # fmt: skip


@pytest.mark.parametrize(("body", "errno"), GARBAGE)
def test_garbage_is_answered_with_an_error(
    served: Served,
    peers: Peers,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    errno: int,
) -> None:
    peer = peers.dealer(served.controller.endpoint)
    peer.send(body)
    reply = receive(peer)
    assert (reply["status"], reply["errno"], reply["id"], reply["tb"]) == ("error", errno, None, None)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("frames", [[b"a", b"b"], [b"", b"a", b"b"], [b"a", b"b", b"c", b"d"]])
def test_frames_too_many_are_answered_with_an_error(
    served: Served, peers: Peers, frames: list[bytes]
) -> None:
    peer = peers.dealer(served.controller.endpoint)
    peer.send_multipart(frames)
    assert peer.poll(TIMEOUT)
    assert json.loads(peer.recv_multipart()[-1])["errno"] == 1


def test_a_message_too_large_ends_its_connection_and_no_other(served: Served, peers: Peers) -> None:
    peer = peers.dealer(served.controller.endpoint)
    monitor = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    peer.send(b" " * (wire.MAX_MESSAGE + 1))
    assert monitor.poll(TIMEOUT), "still connected"
    with CircusClient(served.controller.endpoint, timeout=20) as client:
        assert client.send("numwatchers")["numwatchers"] == 3
    peer.disable_monitor()
    monitor.close(linger=0)


def test_unfinished_requests_of_one_connection_are_bounded(served: Served, peers: Peers) -> None:
    served.hold()
    peer = peers.dealer(served.controller.endpoint)
    for number in range(300):
        peer.send(wire.encode_request("start", {"name": "lazy", "waiting": True}, request_id=number))
    refused = [receive(peer) for _ in range(44)]
    assert {reply["reason"] for reply in refused} == {"more than 256 requests at a time from one connection"}
    with CircusClient(served.controller.endpoint, timeout=20) as other:
        assert other.send("numwatchers")["numwatchers"] == 3
    served.release()
    assert sorted(receive(peer)["id"] for _ in range(256)) == list(range(256))


class Broken(Command[None, Done]):
    """Fail"""

    name = "broken"

    def parse(self, properties: Properties) -> None:
        return None

    async def execute(self, arbiter: object, request: None) -> Done:
        raise KeyError("secret")


def test_a_command_that_is_broken_is_an_error_and_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with (
        Served(commands=lambda name: Broken()) as served,
        CircusClient(served.controller.endpoint, timeout=20) as client,
    ):
        reply = client.call({"command": "broken"})
    assert (reply["errno"], reply["reason"], reply["tb"]) == (5, "KeyError: 'secret'", None)
    assert [record.exc_info for record in caplog.records if "failed" in record.message] != [None]


def test_what_fails_after_the_reply_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Served() as served, CircusClient(served.controller.endpoint, timeout=20) as client:
        served.on_loop(lambda: setattr(served.arbiter, "failure", CommandError("no luck")))
        assert client.send("start", name="lazy")["status"] == "ok"
        wait_until(lambda: "no luck" in caplog.text, "the log")


class Strict(NoHooks):
    """Denies `stop` and remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    async def authorize(
        self, identity: object, command: str, properties: Mapping[str, Any], access: str, /
    ) -> Verdict:
        self.heard.append(("authorize", str(identity).partition(",")[0], command))
        return Verdict(allowed=False, by="not today") if command == "stop" else ALLOWED

    async def before_command(self, identity: object, command: str, properties: Mapping[str, Any], /) -> None:
        self.heard.append(("before", command))

    async def after_command(
        self, identity: object, command: str, properties: Mapping[str, Any], error: str, /
    ) -> None:
        self.heard.append(("after", command, error))


def test_hooks_are_asked_and_told(tmp_path: Path) -> None:
    hooks, me = Strict(), f"uid {os.geteuid()}"
    with (
        Served(f"ipc://{tmp_path}/control", hooks=hooks) as served,
        CircusClient(served.controller.endpoint, timeout=20) as client,
    ):
        with pytest.raises(
            RefusedError, match=rf"^'stop' is not allowed for {me}, pid {os.getpid()}: not today$"
        ):
            client.send("stop")
        client.send("list")
        with pytest.raises(RefusedError, match="program ghost not found"):
            client.send("list", name="ghost")
    assert hooks.heard == [
        ("authorize", me, "stop"),
        ("authorize", me, "list"),
        ("before", "list"),
        ("after", "list", ""),
        ("authorize", me, "list"),
        ("before", "list"),
        ("after", "list", "program ghost not found"),
    ]


def test_at_the_end_those_who_wait_are_told_and_the_endpoints_are_free(tmp_path: Path, peers: Peers) -> None:
    endpoints = f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events"
    with Served(*endpoints) as served:
        served.hold()
        peer = peers.dealer(endpoints[0])
        peer.send(wire.encode_request("stop", {"waiting": True}, request_id=1))
        wait_until(lambda: served.arbiter.told, "the request")
    assert receive(peer)["reason"] == "circusd ends"
    assert list(tmp_path.iterdir()) == []
    with Served(*endpoints):
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("is_restarting", "reason"), [(True, "arbiter is restarting: ask again"), (False, "circusd ends")]
)
def test_a_request_that_comes_while_the_endpoints_close_is_told_so(
    tmp_path: Path, peers: Peers, is_restarting: bool, reason: str
) -> None:
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as served:
        served.arbiter.is_restarting = is_restarting
        served.hold()
        waiting, late = (peers.dealer(served.controller.endpoint) for _ in range(2))
        late.send(b'{"command": "numwatchers"}')
        receive(late)
        waiting.send(b'{"command": "stop", "properties": {"waiting": true}}')
        wait_until(lambda: ("stop", None) in served.arbiter.told, "the request")

        def end() -> None:
            served._end.set()
            served.loop.call_later(0.1, late.send, b'{"command": "numwatchers"}')

        served.loop.call_soon_threadsafe(end)
        assert receive(late)["reason"] == reason
        assert receive(waiting)["reason"] == reason


def test_a_tcp_port_is_free_once_closed() -> None:
    with Served() as served:
        endpoint = served.controller.endpoint
    with Served(endpoint) as again:
        assert again.controller.endpoint == endpoint


@pytest.mark.parametrize("which", ["control", "events"])
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_an_endpoint_in_use_is_explained(tmp_path: Path, transport: str, which: str) -> None:
    pair = ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
    if transport == "ipc":
        pair = (f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events")
    with Served(*pair) as served:
        taken = served.controller.endpoint if which == "control" else served.controller.pubsub_endpoint
        other = (taken, pair[1]) if which == "control" else ("tcp://127.0.0.1:*", taken)
        wanted = rf"^another circusd is probably running on {re.escape(taken)} \(address already in use\)"
        with pytest.raises(EndpointError, match=wanted), Served(*other):
            pass
        with CircusClient(served.controller.endpoint, timeout=20) as client:
            assert client.send("numwatchers")["numwatchers"] == 3


def test_a_socket_file_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(f"{tmp_path}/control")
    with (
        Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as served,
        CircusClient(served.controller.endpoint, timeout=20) as client,
    ):
        assert client.send("numwatchers")["numwatchers"] == 3


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "control"
    precious.write_text("data")
    with pytest.raises(EndpointError, match="address already in use"), Served(f"ipc://{precious}"):
        pass
    assert precious.read_text() == "data"


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("", "endpoint must be tcp://HOST:PORT or ipc://PATH, got ''"),
        ("5555", "endpoint must be tcp://HOST:PORT or ipc://PATH, got '5555'"),
        ("udp://127.0.0.1:1", "endpoint must be tcp://HOST:PORT or ipc://PATH"),
        ("inproc://x", "endpoint must be tcp://HOST:PORT or ipc://PATH"),
        ("tcp://127.0.0.1", "can't use endpoint tcp://127.0.0.1: invalid argument"),
        ("tcp://192.0.2.1:0", "give an address of this machine"),
        ("ipc:///nowhere/at/all", "make the folder first"),
        (f"ipc:///tmp/{'x' * 108}", "file name too long; give a path of at most 107 bytes"),
        ("ipc:///" + "x" * 200, "can't use endpoint"),
    ],
)
def test_an_endpoint_that_can_not_be_is_explained(endpoint: str, reason: str) -> None:
    with pytest.raises(EndpointError, match=re.escape(reason)), Served(endpoint):
        pass


def test_an_abstract_ipc_name_works() -> None:
    name = f"circus-test-{os.getpid()}"
    with (
        Served(f"ipc://@{name}", f"ipc://@{name}-events") as served,
        CircusClient(served.controller.endpoint, timeout=20) as client,
    ):
        assert client.send("numwatchers")["numwatchers"] == 3


def test_an_endpoint_on_the_network_needs_keys(tmp_path: Path) -> None:
    wanted = r"other machines can reach it.*there are none in .*/keys; run 'circusctl keys make'"
    config = ArbiterConfig(keys=str(tmp_path / "keys"))
    with pytest.raises(EndpointError, match=wanted), Served("tcp://0.0.0.0:*", config=config):
        pass


def publish_until_heard(served: Served, peer: zmq.Socket[bytes], watcher: str) -> list[bytes]:
    def heard() -> int:
        served.on_loop(lambda: served.controller.publish(Added(watcher=watcher, time=1.5)))
        return peer.poll(10)

    wait_until(heard, "an event")
    return peer.recv_multipart()


def test_subscribers_hear_the_topics_they_asked_for(served: Served, peers: Peers) -> None:
    one = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.web_one.")
    other = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.other.")
    event = [b"watcher.web_one.add", b'{"time": 1.5}']
    assert publish_until_heard(served, one, "Web One") == event
    assert publish_until_heard(served, other, "other") == [b"watcher.other.add", b'{"time": 1.5}']
    while one.poll(0):
        assert one.recv_multipart() == event


def test_a_subscriber_that_never_reads_costs_nobody_else_an_event(
    peers: Peers,
) -> None:
    with Served() as served:
        lazy = peers.socket(zmq.SUB)
        lazy.setsockopt(zmq.RCVHWM, 1)
        lazy.setsockopt(zmq.RCVBUF, 4096)
        lazy.setsockopt(zmq.SUBSCRIBE, b"")
        lazy.connect(served.controller.pubsub_endpoint)
        keen = peers.subscriber(served.controller.pubsub_endpoint, b"watcher.k")
        publish_until_heard(served, lazy, "w")

        def burst() -> None:
            for number in range(2000):
                served.controller.publish(Added(watcher="noise" * 100, time=float(number)))

        def dropped() -> bool:
            served.on_loop(burst)
            return served.controller.events_dropped > 0

        wait_until(dropped, "a full queue")
        assert publish_until_heard(served, keen, "keen")[0] == b"watcher.keen.add"


def test_a_client_that_has_gone_leaves_nothing_behind(served: Served) -> None:
    for _ in range(20):
        with CircusClient(served.controller.endpoint, timeout=20) as client:
            client.send("numwatchers")
    wait_until(lambda: not served.controller._requests, "the end of requests")
    assert not served.controller._unfinished


def test_find_command_of_the_tests_knows_the_kernel_s_commands() -> None:
    assert find_command("list").name == "list"


def test_an_unknown_command_is_answered_and_not_logged(
    peers: Peers, caplog: pytest.LogCaptureFixture
) -> None:
    drivers = Drivers()
    with (
        caplog.at_level("INFO", logger="circus"),
        Served(commands=lambda name: drivers.load("circus.commands", name)()) as served,
    ):
        peer = peers.dealer(served.controller.endpoint)
        peer.send(b'{"command": "nope"}')
        assert receive(peer)["reason"] == "unknown command: 'nope'"
    assert not caplog.records
