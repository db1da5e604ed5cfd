"""What people do with Circus 0.19 works across: its programs with our circusd, ours with its circusd."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.daemon import DEADLINE, is_alive, until
from tests.peers.circus019 import House, Network, Whose, needs_peer, network

pytestmark = [needs_peer, pytest.mark.slow]

BOTH_WAYS: list[tuple[Whose, Whose]] = [("0.19", "ours"), ("ours", "0.19")]

both_ways = pytest.mark.parametrize(("asking", "serving"), BOTH_WAYS, ids=["old_to_ours", "ours_to_old"])

FIVE = "[watcher:web]\ncmd = sleep 1000\n\n" + "".join(
    f"[watcher:w{number}]\ncmd = sleep 1000\n\n" for number in range(5)
)

Enter = Callable[..., House]


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture
def enter(net: Network, tmp_path: Path) -> Iterator[Enter]:
    """Give a function that starts a circusd; the arguments are those of `House` behind the network."""
    with ExitStack() as stack:
        yield lambda *args: stack.enter_context(House(tmp_path, net, *args))


@both_ways
def test_listen_prints_events(enter: Enter, asking: Whose, serving: Whose) -> None:
    house = enter(serving)
    with house.start_ctl(asking, "listen", "watcher.web.") as listening:
        assert listening.stdout is not None
        os.set_blocking(listening.stdout.fileno(), False)

        def line() -> str:
            house.ctl("ours", "set", "web", "graceful_timeout", "20")
            return listening.stdout.readline() if listening.stdout else ""

        try:
            until(lambda: line().startswith("b'watcher.web.updated': b'{\"time\": "), house.log)
            listening.send_signal(signal.SIGINT)
            listening.wait(DEADLINE)
        finally:
            listening.kill()


@both_ways
def test_quit_ends_the_daemon(enter: Enter, asking: Whose, serving: Whose) -> None:
    house = enter(serving)
    done = house.ctl(asking, "quit", "--waiting")
    answered = (done.status, done.out, done.error) == (0, "ok\n", "")
    assert answered or (
        serving == "0.19" and "Timed out" in done.error
    )  # 0.19 may end before it has answered
    assert house.wait() == 0


OLD_CLIENTS = """\
import json, threading
from circus.client import AsyncCircusClient, CircusClient
from circus.consumer import CircusConsumer
from tornado.ioloop import IOLoop

client = CircusClient()
print(client.send_message("list", name="web")["status"])
reply = client.call({"command": "incr", "properties": {"name": "web", "waiting": True}})
print(reply["status"], reply["numprocesses"])
print(client.send_message("rm", name="ghost")["reason"])
client.stop()

async def ask():
    asking = AsyncCircusClient()
    reply = await asking.send_message("status", name="web")
    asking.stop()
    return reply["status"]

print(IOLoop(make_current=False).run_sync(ask))

def change():
    client = CircusClient()
    while not is_heard.wait(0.01):
        client.send_message("set", name="web", options={"graceful_timeout": 20})
    client.stop()

is_heard = threading.Event()
changing = threading.Thread(target=change)
changing.start()
for topic, message in CircusConsumer(["watcher.web."], timeout=0.1):
    print(topic, sorted(json.loads(message)))
    break
is_heard.set()
changing.join()
"""


def test_programs_with_the_old_library_find_our_daemon_as_they_left_theirs(enter: Enter) -> None:
    done = enter("ours").python("0.19", OLD_CLIENTS)
    assert done.out.splitlines() == [
        "ok",
        "ok 3",
        "program ghost not found",
        "active",
        "b'watcher.web.updated' ['time']",
    ], done


OUR_CLIENTS = """\
import asyncio
from circus_core import AsyncCircusClient, CircusClient, RefusedError
from circus_core.commands import Add, Get, Globaloptions, Incr, Kill, List, Restart, Rm, Set, Status

with CircusClient(timeout=20) as client:
    assert client.run(Status, name="web").state == "active"
    assert client.run(Globaloptions, option="check_delay").options == {"check_delay": 0.5}
    with client.events("watcher.web.") as events:
        assert client.run(Incr, name="web", waiting=True).numprocesses == 3
        assert events.next(timeout=20).action == "spawn"
    added = client.run(Add, name="n", cmd="sleep 1000", start=True, waiting=True, options={"numprocesses": 2})
    pids = client.run(List, name="n").pids
    assert added.started == pids
    client.run(Kill, name="n", pid=pids[0], signum=9, graceful_timeout=1.5, waiting=True)
    client.run(Set, name="n", options={"graceful_timeout": 2.5}, waiting=True)
    assert client.run(Get, name="n", keys=["graceful_timeout"]).options == {"graceful_timeout": 2.5}
    client.cast("rm", name="n", waiting=True)
    try:
        client.run(Restart, name="ghost")
    except RefusedError as error:
        assert (str(error), error.errno) == ("program ghost not found", 3)

async def ask():
    async with AsyncCircusClient(timeout=20) as client:
        async with client.events("watcher.web.") as events:
            found = await asyncio.gather(*(client.run(Status, name="web") for _ in range(50)))
            assert {status.state for status in found} == {"active"}
            await client.run(Restart, name="web")
            async for event in events:
                if event.action == "kill":
                    break

asyncio.run(ask())
print("done")
"""


@pytest.mark.parametrize("serving", ["ours", "0.19"])
def test_programs_with_our_library_can_use_either_daemon(enter: Enter, serving: Whose) -> None:
    done = enter(serving).python("ours", OUR_CLIENTS)
    assert (done.out, done.error) == ("done\n", ""), done


def test_the_old_daemon_forgets_a_watcher_and_leaves_it_running_if_we_say_so(enter: Enter) -> None:
    house = enter("0.19")
    new = house.new()
    pid = int(house.ctl("ours", "list", new).out)
    assert house.ctl("ours", "rm", new, "--nostop", "--waiting").out == "ok\n"
    assert new not in house.ctl("ours", "list").out
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)  # nobody else ends it


def test_the_old_daemon_survives_our_kill_because_its_numbers_are_numbers(enter: Enter) -> None:
    house = enter("0.19")
    new = house.new()
    pid = house.ctl("ours", "list", new).out.strip()
    killed = house.ctl("ours", "kill", new, pid, "--signum", "INT", "--graceful_timeout", "2", "--waiting")
    assert killed.out == "ok\n", killed
    stopped = house.ctl("ours", "--timeout", "20", "stop", new, "--waiting")
    assert (stopped.status, stopped.out) == (0, "ok\n"), stopped


AT_ONCE = """\
import json, sys, zmq

context = zmq.Context()
socket = context.socket(zmq.DEALER)
socket.connect("tcp://127.0.0.1:5555")
for number in range(5):
    request = {"command": "restart", "properties": {"name": f"w{number}"}, "id": number}
    socket.send_string(json.dumps(request))
print(json.dumps([socket.recv_json() for _ in range(5)]))
context.destroy(linger=0)
"""

AT_ONCE_WITH_OURS = """\
import asyncio
from circus_core import AsyncCircusClient
from circus_core.commands import List, Restart

async def restart_all():
    names = [f"w{number}" for number in range(5)]
    async with AsyncCircusClient(timeout=30) as client:
        before = [await client.run(List, name=name) for name in names]
        await asyncio.gather(*(client.run(Restart, name=name, waiting=True) for name in names))
        after = [await client.run(List, name=name) for name in names]
    print(sum(not set(old.pids) & set(new.pids) for old, new in zip(before, after)))

asyncio.run(restart_all())
"""


def test_five_restarts_at_once_are_all_taken_by_the_old_daemon_in_the_end(enter: Enter) -> None:
    house = enter("0.19", FIVE)
    replies = json.loads(house.python("ours", AT_ONCE).out)
    assert any("already running" in reply.get("reason", "") for reply in replies)  # this is what it does
    done = house.python("ours", AT_ONCE_WITH_OURS)
    assert (done.out, done.error) == ("5\n", ""), done


def test_five_restarts_at_once_are_all_taken_by_our_daemon_at_once(enter: Enter) -> None:
    house = enter("ours", FIVE)
    replies = json.loads(house.python("ours", AT_ONCE).out)
    assert [reply["status"] for reply in replies] == ["ok"] * 5
    done = house.python("ours", AT_ONCE_WITH_OURS)
    assert (done.out, done.error) == ("5\n", ""), done


def test_five_old_circusctl_at_once_are_all_served_by_our_daemon(enter: Enter) -> None:
    house = enter("ours", FIVE)
    with ExitStack() as stack:
        words = [("restart", f"w{number}", "--waiting") for number in range(5)]
        running = [stack.enter_context(house.start_ctl("0.19", *each)) for each in words]
        assert [each.communicate(timeout=40) for each in running] == [("ok\n", "")] * 5
