"""The client without a loop, against a live controller and against one that answers as Circus 0.19 may."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from circus_core.clients.channel import reachable
from circus_core.clients.client import CircusClient
from circus_core.commands import Incr, List, Numwatchers, Rm, Start, Status
from circus_core.errors import CallError, CallTimeoutError, RefusedError, UnreachableError
from circus_core.events import Added
from tests.controlled import Served
from tests.scripted import ScriptedDaemon, conflict

TIMEOUT = 90.0


@pytest.fixture
def client(served: Served) -> Iterator[CircusClient]:
    with CircusClient(served.controller.endpoint, timeout=TIMEOUT) as made:
        yield made


# asking


def test_a_command_is_run_and_has_a_typed_result(client: CircusClient) -> None:
    assert client.run(Numwatchers).numwatchers == 3
    assert client.run(Status, name="lazy").state == "stopped"
    assert client.run(Status).states == {"Sleeper": "active", "lazy": "stopped", "web one": "active"}
    assert client.run(List, name="sleeper").pids == [101, 102]
    assert client.run(Incr, name="sleeper", nb=2, waiting=True).numprocesses == 4
    assert client.run(Start, name="lazy", waiting=True).changes == {"started": [106], "kept": []}


def test_a_property_that_is_none_is_left_out(client: CircusClient) -> None:
    assert client.send("list", name=None)["watchers"] == ["lazy", "sleeper", "web one"]


def test_a_refusal_is_raised_with_its_reason(client: CircusClient) -> None:
    with pytest.raises(RefusedError, match=r"^program ghost not found$") as caught:
        client.run(Rm, name="ghost")
    assert caught.value.errno == 3


def test_an_answer_to_something_else_is_an_error(nobody: str) -> None:
    with (
        ScriptedDaemon(nobody, lambda _: {"status": "ok"}),
        CircusClient(nobody, timeout=TIMEOUT) as client,
        pytest.raises(CallError, match="the answer to 'numwatchers' can't be understood"),
    ):
        client.run(Numwatchers)


def test_call_returns_errors_and_gives_the_message_its_id(client: CircusClient) -> None:
    message = {"command": "start", "properties": {"name": "ghost"}}
    reply = client.call(message)
    assert reply["status"] == "error"
    assert reply["id"] == message["id"]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("list", r"call\(\) takes a mapping"),
        ({}, "'command' must be the name of a command, got None"),
        ({"command": 5}, "'command' must be the name of a command, got 5"),
        ({"command": "stop", "msg_type": "cast"}, r"send it with cast\(\)"),
        ({"command": "stop", "properties": {"name": {1, 2}}}, "can't be written as JSON"),
    ],
)
def test_what_a_daemon_could_not_answer_is_not_sent(
    client: CircusClient, message: object, complaint: str
) -> None:
    with pytest.raises(CallError, match=complaint):
        client.call(message)  # type: ignore[arg-type]  # some are not what it takes
    assert client.run(Numwatchers).numwatchers == 3


def test_a_call_has_a_timeout_of_its_own(served: Served, client: CircusClient) -> None:
    client.run(Numwatchers)  # it is connected
    served.hold()
    with pytest.raises(CallTimeoutError, match=r"^Timed out\. There is no answer"):
        client.send("stop", waiting=True, timeout=0.1)
    with pytest.raises(CallTimeoutError):
        client.run(Start, name="lazy", waiting=True, timeout=0.1)
    assert client.run(Numwatchers).numwatchers == 3
    served.release()


def test_without_a_daemon_nothing_is_sent_and_nothing_later(nobody: str) -> None:
    with CircusClient(nobody, timeout=0.1) as client:
        for ask in (lambda: client.send("quit"), lambda: client.cast("quit"), client.events):
            with pytest.raises(UnreachableError, match=r"^Timed out\. There is no connection to"):
                ask()
        with ScriptedDaemon(nobody, lambda _: {"status": "ok"}) as daemon:
            client.send("list", timeout=TIMEOUT)
            assert [request["command"] for request in daemon.requests] == ["list"]


def test_a_closed_client_says_so(served: Served) -> None:
    client = CircusClient(served.controller.endpoint)
    client.close()
    client.close()
    with pytest.raises(CallError, match="the client is closed"):
        client.send("list")


# threads


def test_threads_share_a_client(client: CircusClient) -> None:
    def ask(number: int) -> int:
        return client.send("globaloptions", option="check_delay")["status"] == "ok" and number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(400))) == list(range(400))


def test_waiting_for_another_thread_counts_towards_the_timeout(served: Served, client: CircusClient) -> None:
    served.hold()
    stopping = threading.Thread(target=lambda: client.send("stop", waiting=True))
    stopping.start()
    deadline = time.monotonic() + TIMEOUT
    while not served.on_loop(lambda: list(served.arbiter.told)):
        assert time.monotonic() < deadline
    with pytest.raises(CallTimeoutError, match="other threads"):
        client.send("list", timeout=0.1)
    served.release()
    stopping.join()


# casts


def test_a_cast_has_arrived_when_it_returns(served: Served) -> None:
    for _ in range(50):
        with CircusClient(served.controller.endpoint, timeout=TIMEOUT) as client:
            client.cast("reload", name="lazy")
    told = served.on_loop(lambda: list(served.arbiter.get_watcher("lazy").sent))
    assert told == [("reload", True, False)] * 50


# conflicts of Circus 0.19


def test_what_was_in_conflict_is_sent_again_until_it_is_taken(nobody: str) -> None:
    replies = iter([conflict(), conflict("watcher_stop"), {"status": "ok"}])
    with (
        ScriptedDaemon(nobody, lambda _: next(replies)) as daemon,
        CircusClient(nobody, timeout=TIMEOUT) as client,
    ):
        assert client.send("restart", name="web")["status"] == "ok"
        assert len({request["id"] for request in daemon.requests}) == 3


def test_a_conflict_that_lasts_is_raised_when_the_time_is_over(nobody: str) -> None:
    with (
        ScriptedDaemon(nobody, lambda _: conflict()) as daemon,
        CircusClient(nobody, timeout=3) as client,
    ):
        with pytest.raises(RefusedError, match="arbiter is already running manage_watchers command"):
            client.send("stop")
        assert len(daemon.requests) > 1


def test_other_errors_are_not_sent_again(nobody: str) -> None:
    error = {"status": "error", "reason": "arbiter is out of order", "errno": 5}
    with ScriptedDaemon(nobody, lambda _: error) as daemon, CircusClient(nobody, timeout=TIMEOUT) as client:
        with pytest.raises(RefusedError, match="arbiter is out of order"):
            client.send("stop")
        assert len(daemon.requests) == 1


# events


def test_events_that_come_after_subscribing_are_heard(served: Served, client: CircusClient) -> None:
    for number in range(100):
        with client.events("watcher.web_one.") as events:
            served.on_loop(lambda: served.controller.publish(Added(watcher="lazy", time=0.5)))
            happened = Added(watcher="Web one", time=float(number))
            served.on_loop(partial(served.controller.publish, happened))
            event = events.next(timeout=TIMEOUT)
            assert (event.topic, event.payload) == ("watcher.web_one.add", {"time": float(number)})
            assert (event.watcher, event.action, event.time) == ("web_one", "add", float(number))
            assert event.pid is None


def test_a_wait_for_an_event_has_a_timeout(client: CircusClient) -> None:
    with client.events() as events, pytest.raises(CallTimeoutError, match=r"no event came within 0\.05 s"):
        events.next(timeout=0.05)


@pytest.mark.parametrize("by", ["subscription", "client"])
def test_closing_ends_the_iteration_of_another_thread(served: Served, by: str) -> None:
    client = CircusClient(served.controller.endpoint, timeout=TIMEOUT)
    events = client.events()
    heard: list[str] = []
    listening = threading.Thread(target=lambda: heard.extend(event.topic for event in events))
    listening.start()
    served.on_loop(lambda: served.controller.publish(Added(watcher="w", time=1)))
    (events if by == "subscription" else client).close()
    listening.join(TIMEOUT)
    assert not listening.is_alive()
    client.close()


def test_the_event_endpoint_is_one_that_can_be_reached_from_here() -> None:
    assert reachable("tcp://0.0.0.0:5556", "tcp://10.0.0.7:5555") == "tcp://10.0.0.7:5556"
    assert reachable("tcp://*:5556", "tcp://[::1]:5555") == "tcp://[::1]:5556"
    assert reachable("tcp://[::]:5556", "ipc:///run/control") == "tcp://127.0.0.1:5556"
    assert reachable("tcp://10.0.0.8:5556", "tcp://10.0.0.7:5555") == "tcp://10.0.0.8:5556"
    assert reachable("ipc:///run/events", "tcp://10.0.0.7:5555") == "ipc:///run/events"


# types


@pytest.mark.timeout(400)
def test_a_checker_infers_the_result_from_the_command(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from circus_core import AsyncCircusClient, CircusClient\n"
        "from circus_core.commands import Incr, Status, StatusResult\n"
        "with CircusClient() as client:\n"
        "    found: StatusResult = client.run(Status)\n"
        "    reveal_type(client.run(Incr, name='web'))\n"
        "async def ask(client: AsyncCircusClient) -> None:\n"
        "    reveal_type(await client.run(Incr, name='web'))\n"
        "    wrong: int = await client.run(Status)\n"
    )
    words = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}/cache", str(program)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    revealed = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert [line.partition('"')[2] for line in revealed] == ['circus_core.commands.resizing.Resized"'] * 2
    assert 'Incompatible types in assignment (expression has type "StatusResult"' in done.stdout
    assert "Found 1 error" in done.stdout
