"""circusd under what arrives at its endpoints: floods, garbage, giants, and clients that never read."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from circus_core.errors import RefusedError
from tests.controlled import find_command, kernel_commands
from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

MIB = 1 << 20
FUZZ_REQUESTS = int(os.environ.get("CIRCUS_FUZZ_REQUESTS", "2000"))
"""How many requests the fuzzer sends; more finds more."""
FUZZ_SEED = int(os.environ.get("CIRCUS_FUZZ_SEED", "1"))
"""Which ones: others are found with another number, when somebody looks for them."""

SLEEPERS = """
[watcher:a]
cmd = sleep 1000
numprocesses = 2
graceful_timeout = 1

[watcher:b]
cmd = sleep 1000
graceful_timeout = 1
"""


@pytest.fixture(params=["ipc", "tcp"])
def daemon(request: pytest.FixtureRequest, circusd: Start) -> Daemon:
    started = circusd(SLEEPERS, tcp=request.param == "tcp")
    until(lambda: len(started.watcher("a").pids()) == 2)
    return started


@contextmanager
def peer(daemon: Daemon, kind: int = zmq.DEALER) -> Iterator[zmq.Socket[bytes]]:
    """A client without manners."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.connect(daemon.endpoint if kind == zmq.DEALER else daemon.pubsub_endpoint)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


def memory(daemon: Daemon) -> int:
    return int(psutil.Process(daemon.pid).memory_info().rss)


def serves(daemon: Daemon) -> None:
    """A new client is answered."""
    with daemon.client() as client:
        assert client.send("numwatchers")["status"] == "ok"


def test_a_flood_of_requests_that_nobody_reads_the_answers_of_leaves_room_for_others(daemon: Daemon) -> None:
    with peer(daemon) as flooder:
        is_over = threading.Event()

        def flood() -> None:
            request = json.dumps({"command": "options", "properties": {"name": "a"}}).encode()
            for _ in range(100_000):
                flooder.send(request)
                if is_over.is_set():
                    return

        before = memory(daemon)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            with daemon.client() as client:
                for _ in range(200):
                    client.send("status")
        finally:
            is_over.set()
            thread.join()
        assert memory(daemon) - before < 30 * MIB
        serves(daemon)


def test_asking_for_commands_that_there_are_not_does_not_have_the_disk_read_all_the_time(
    circusd: Start,
) -> None:
    daemon = circusd("")

    def bytes_read() -> int:
        _, _, rest = Path(f"/proc/{daemon.pid}/io").read_text().partition("rchar: ")
        return int(rest.split()[0])

    def ask(number: int) -> None:
        with pytest.raises(RefusedError, match="unknown command"):
            daemon.call(f"nonsense{number}")

    before = bytes_read()
    ask(0)
    one_look = bytes_read() - before
    assert one_look > 1000
    for number in range(1, 200):
        ask(number)
    assert bytes_read() - before < 50 * one_look


def test_a_giant_is_dropped_before_it_is_stored(daemon: Daemon) -> None:
    before = memory(daemon)
    with peer(daemon) as sender, peer(daemon) as bystander:
        bystander.send(b'{"command": "numwatchers"}')
        assert bystander.poll(20_000)
        sender.send(b"x" * (100 * MIB))
        assert not sender.poll(1000)
        bystander.send(b'{"command": "numwatchers"}')
        assert bystander.poll(20_000)
    assert memory(daemon) - before < 20 * MIB
    serves(daemon)


def test_clients_that_come_and_go_leave_nothing_behind(daemon: Daemon) -> None:
    process = psutil.Process(daemon.pid)

    def visit() -> None:
        with peer(daemon) as visitor:
            visitor.send(b'{"command": "numwatchers"}')
            assert visitor.poll(20_000)

    visit()
    descriptors = process.num_fds()
    before = memory(daemon)
    for _ in range(500):
        visit()
    until(lambda: process.num_fds() <= descriptors, lambda: str(process.num_fds()))
    assert memory(daemon) - before < 10 * MIB


def test_subscriptions_without_end_are_bounded(daemon: Daemon) -> None:
    before = memory(daemon)
    with peer(daemon, zmq.SUB) as subscriber:
        for number in range(20_000):
            subscriber.setsockopt(zmq.SUBSCRIBE, b"watcher.%d." % number)
        serves(daemon)
        assert memory(daemon) - before < 60 * MIB
    until(lambda: daemon.call("numwatchers")["status"] == "ok")


# A fuzzer that knows the commands.

_HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 15, 64, 9999, 10**9, -(10**30), 10**300, 0.5, -0.0, 1e308),
    *("", " ", "a", "b", "A", "*", "[", "(", "?", "regex", "glob", "simple", "TERM", "SIGUSR1", "RTMIN+1"),
    *("0", "1", "-1", "true", "x" * 5000, "\0", "\u202e\U0001f4a5", "\u00e9" * 100, "a/../b", "%s%n"),
    *("$(circus.wid)", "$(env)", "$(", "\n[watcher:x]\n"),
    *([], {}, [[]], {"": None}, ["a", "b"], [1], {"a": 1}, {"name": "a"}, [None] * 50, {"env": {"A": "B"}}),
)
_OPTIONS = (
    "numprocesses", "warmup_delay", "graceful_timeout", "stop_signal", "stop_children", "send_hup",
    "working_dir", "args", "env", "uid", "gid", "max_age", "hooks", "hooks.before_start", "rlimit_nofile",
    "stdout_stream", "stdout_stream.class", "stdout_stream.filename", "max_retry", "respawn", "singleton",
    "copy_env", "priority", "name", "nice", "tail_bytes",
)  # fmt: skip
_PROPERTIES = (
    "name", "match", "waiting", "nb", "keys", "options", "pid", "signum", "graceful_timeout", "args",
    "start", "children", "recursive", "childpid", "graceful", "sequential", "nostop", "option", "process",
    "extended", "lines", "after", "wait", "stream", "dry_run", "force", "file", "topics", "follow",
)  # fmt: skip
_ENDING = frozenset({"quit", "restart"})  # a request that loses its `name` ends the daemon, or begins it anew
_MANY = 20  # watchers, before those that the fuzzer added are removed


class Fuzzer:
    """Makes requests from a seed: real commands with hostile arguments, damaged JSON, plain noise."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._commands = sorted(set(kernel_commands()) - _ENDING)

    def body(self) -> bytes:
        kind = self._random.random()
        if kind < 0.1:
            return self._random.randbytes(self._random.randrange(200))
        text = json.dumps(self._message()).encode()
        return self._damaged(text) if kind < 0.25 else text

    def _message(self) -> Any:
        command = self._random.choice(self._commands)
        message = {"command": command, "properties": self._properties(command), "id": self._value()}
        if self._random.random() < 0.05:
            message[self._random.choice(["command", "properties", "msg_type"])] = self._value()
        return message if self._random.random() > 0.03 else self._value()

    def _properties(self, command: str) -> dict[str, Any]:
        known = [argument.name for argument in find_command(command).arguments]
        keys = self._random.sample(_PROPERTIES, self._random.randrange(4))
        keys += [key for key in known if self._random.random() < 0.7]
        made = {key: self._value_of(key) for key in keys}
        made.pop("cmd", None)
        if command == "add":
            made["cmd"] = self._random.choice(
                ["sleep 1000", "no-such-program", "'", "sleep 1000 $(circus.wid)"]
            )
        if self._random.random() < 0.5:
            made["name"] = self._random.choice(["a", "b", "A", "new", "n"])
        return {key: value for key, value in made.items() if not _is_dangerous(key, value)}

    def _value_of(self, key: str) -> Any:
        if key == "options":
            return {
                name: self._value() for name in self._random.sample(_OPTIONS, self._random.randrange(1, 4))
            }
        return self._value()

    def _value(self) -> Any:
        return self._random.choice(_HOSTILE)

    def _damaged(self, text: bytes) -> bytes:
        at = self._random.randrange(len(text))
        piece = self._random.choice([b"", b"\xff", b"{", b'"', b"\\u", b"1e999", text[:at]])
        return text[:at] + piece + text[at + self._random.randrange(4) :]


def _is_dangerous(key: str, value: Any) -> bool:
    """It would start more than this machine has room for, which is no fault of circusd."""
    numbers = [value] if key == "nb" else [value.get("numprocesses")] if isinstance(value, dict) else []
    return any(isinstance(n, int | float) and not -(10**9) < n < 50 for n in numbers)


def _feed(daemon: Daemon, fuzzer: Fuzzer, requests: int) -> None:
    """Send as fast as answers come; every request but a cast has one."""
    with peer(daemon) as client:
        for _ in range(requests // 20):
            bodies = [fuzzer.body() for _ in range(20)]
            for body in bodies:
                client.send(body)
            for _ in range(len(bodies) - sum(map(_is_silent, bodies))):
                assert client.poll(30_000), f"no reply to one of {bodies}"
                reply = json.loads(client.recv())
                assert reply.get("tb") is None
                assert reply.get("errno") != 6, reply
            _remove_what_was_added(daemon)


def _is_silent(body: bytes) -> bool:
    try:
        message = json.loads(body)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("msg_type") == "cast"


def _remove_what_was_added(daemon: Daemon) -> None:
    names = [name for name in daemon.call("list")["watchers"] if name not in ("a", "b", "zz-beacon")]
    for name in names if len(names) > _MANY else ():
        with suppress(RefusedError):
            daemon.call("rm", name=name, waiting=True)
    for name in ("a", "b"):
        with suppress(RefusedError):
            daemon.call("add", name=name, cmd="sleep 1000", start=True, options={"graceful_timeout": 1.0})


@pytest.mark.slow
@pytest.mark.timeout(120 + FUZZ_REQUESTS / 40)
def test_whatever_is_sent_it_goes_on_and_grows_not(
    circusd: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # streams are told to write into files of any name
    daemon = circusd(SLEEPERS)
    fuzzer = Fuzzer(FUZZ_SEED)
    _feed(daemon, fuzzer, FUZZ_REQUESTS // 4)  # caches fill
    before, descriptors = memory(daemon), psutil.Process(daemon.pid).num_fds()
    _feed(daemon, fuzzer, FUZZ_REQUESTS * 3 // 4)
    grown = memory(daemon) - before
    assert grown < 40 * MIB, f"{grown >> 20} MiB more"
    serves(daemon)
    for name in daemon.call("list")["watchers"]:
        with suppress(RefusedError):
            daemon.call("rm", name=name, waiting=True)
    for forgotten in psutil.Process(daemon.pid).children():  # by 'rm' with nostop, as they were told
        with suppress(psutil.NoSuchProcess):
            forgotten.kill()
    until(lambda: psutil.Process(daemon.pid).num_fds() <= descriptors + 8)
    assert daemon.log().count("\n") < FUZZ_REQUESTS, "a request should not fill the log"
