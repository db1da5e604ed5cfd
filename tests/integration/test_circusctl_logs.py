"""`circusctl logs` and the tail of each watcher, with a real circusd and real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import pytest
import zmq

from circus_core import wire
from tests.controlled import Peers
from tests.integration.daemon import DEADLINE, Daemon, until

Start = Callable[..., Daemon]

SINKS = "class Nowhere:\n    def __call__(self, chunk):\n        pass\n"
NOWHERE = "stdout_stream.class = sinks.Nowhere\nstderr_stream.class = sinks.Nowhere\n"


@pytest.fixture
def start(circusd: Start, tmp_path: Path) -> Start:
    """Start a daemon with `sinks.Nowhere`."""
    (tmp_path / "sinks.py").write_text(SINKS)

    def begin(sections: str, **options: object) -> Daemon:
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
        return circusd(sections, env={"PYTHONPATH": path}, **options)

    return begin


def speaker(name: str, pipe: Path, **options: object) -> str:
    """A watcher that says what is written to `pipe`."""
    lines = "".join(f"{key} = {value}\n" for key, value in options.items())
    return f"[watcher:{name}]\ncmd = sh -c 'exec cat < {pipe}'\n{NOWHERE}{lines}\n"


class Mouth:
    """Has a speaker say something. Keeps the pipe open, so that what is said waits for the next speaker."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR)

    def say(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.fixture
def mouths(tmp_path: Path) -> Iterator[Callable[[str], Mouth]]:
    """Make mouths."""
    with ExitStack() as stack:

        def make(name: str) -> Mouth:
            mouth = Mouth(tmp_path / name)
            stack.callback(mouth.close)
            return mouth

        yield make


class Follower:
    """A circusctl that follows; its lines are collected as they come."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        program = [sys.executable, "-m", "circus_core.cli.circusctl", "--endpoint", daemon.endpoint]
        self._process = subprocess.Popen(
            [*program, "logs", "-f", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self.end()

    def until(self, last: str) -> None:
        """Wait for a line."""
        until(lambda: last in self.lines, lambda: f"{last!r} in {self.lines}")

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for the end; returns the exit status and what it complained about."""
        status = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        complaint = "" if self._process.stderr.closed else self._process.stderr.read()
        self._process.stdout.close()
        self._process.stderr.close()
        return status, complaint

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))


def logs(daemon: Daemon, *words: str) -> list[str]:
    done = daemon.ctl("logs", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_last_lines_of_several_watchers_come_in_the_order_in_which_they_were_written(
    start: Start, mouths: Callable[[str], Mouth]
) -> None:
    one, two = mouths("one"), mouths("two")
    daemon = start(speaker("one", one.path) + speaker("two", two.path))
    for number in range(6):
        (one, two)[number % 2].say(f"line {number}\n")
        until(lambda number=number: any(f"line {number}" in line for line in logs(daemon)))  # type: ignore[misc]
    assert logs(daemon, "--lines", "4") == [f"{('one', 'two')[n % 2]}.1 | line {n}" for n in range(2, 6)]
    assert logs(daemon, "two") == [f"two.1 | line {n}" for n in (1, 3, 5)]
    (last,) = logs(daemon, "-n", "1", "--json", "two")
    told = json.loads(last)
    assert (told["watcher"], told["wid"], told["pid"]) == ("two", 1, daemon.watcher("two").pid())
    assert (told["stream"], told["message"], told["time"] > 1e9) == ("stdout", "line 5", True)


def test_both_streams_and_the_last_words_without_a_line_end_are_there(start: Start) -> None:
    daemon = start(
        "[watcher:dies]\ncmd = sh -c 'echo out; echo err >&2; printf end'\nrespawn = False\n" + NOWHERE
    )
    until(lambda: len(logs(daemon, "dies")) == 3)
    assert sorted(logs(daemon, "dies")) == ["dies.1 | end", "dies.1 | err", "dies.1 | out"]
    assert logs(daemon, "dies", "--stream", "stderr") == ["dies.1 | err"]


def test_the_tail_outlives_stop_restart_and_reload_and_follows_set(
    start: Start, mouths: Callable[[str], Mouth]
) -> None:
    mouth = mouths("mouth")
    daemon = start(speaker("web", mouth.path, graceful_timeout=1))
    web = daemon.watcher("web")
    for step in ("stop", "start", "restart", "reload"):
        if step != "start":
            mouth.say(f"before {step}\n")
            until(lambda step=step: f"web.1 | before {step}" in logs(daemon) + [  # type: ignore[misc]
                line.replace("web.2", "web.1") for line in logs(daemon)
            ])  # fmt: skip
        web.do(step)
    assert [line.split(" | ")[1] for line in logs(daemon)] == [
        "before stop", "before restart", "before reload",
    ]  # fmt: skip
    assert daemon.ctl("set", "web", "tail_bytes", "1K", "--waiting").returncode == 0
    assert len(logs(daemon)) == 3
    web.do("set", options={"tail_bytes": 0})
    done = daemon.ctl("logs", "web")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing of web: its tail_bytes is 0\n")


def test_a_changed_file_changes_what_is_kept_and_replaces_nothing(
    start: Start, mouths: Callable[[str], Mouth]
) -> None:
    mouth = mouths("mouth")
    daemon = start(speaker("web", mouth.path))
    pid = daemon.watcher("web").pid()
    mouth.say("one\n")
    until(lambda: logs(daemon) == ["web.1 | one"])
    daemon.write_ini(speaker("web", mouth.path, tail_bytes=0))
    daemon.call("reloadconfig", waiting=True)
    assert logs(daemon) == []
    assert daemon.watcher("web").pid() == pid


def test_a_watcher_without_streams_is_said_to_have_no_output_here(start: Start) -> None:
    daemon = start("[watcher:plain]\ncmd = sh -c 'echo to the output of circusd; exec sleep 1000'\n")
    done = daemon.ctl("logs", "plain")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "nothing of plain: its output does not go through circusd: "
        "set stdout_stream.class or stderr_stream.class\n"
    )


def test_followers_see_everything_across_a_restart_until_they_are_interrupted(
    start: Start, mouths: Callable[[str], Mouth]
) -> None:
    mouth = mouths("mouth")
    daemon = start(speaker("web", mouth.path, graceful_timeout=1))
    mouth.say("first\n")
    with (
        Follower(daemon, "w*", "--match", "glob") as all_of_them,
        Follower(daemon, "web") as one,
        Follower(daemon, "web") as other,
    ):
        followers = (all_of_them, one, other)
        for follower in followers:
            follower.until("web.1 | first")
        mouth.say("second\nthi")
        mouth.say("rd\n")
        one.until("web.1 | third")
        daemon.watcher("web").do("restart")
        mouth.say("fourth\n")
        for follower in followers:
            follower.until("web.1 | fourth")
            assert follower.lines == [f"web.1 | {n}" for n in ("first", "second", "third", "fourth")]
            follower.interrupt()
            assert follower.end() == (0, "")


def test_a_follower_hears_the_last_words_and_then_that_the_daemon_has_ended(start: Start) -> None:
    daemon = start(
        '[watcher:web]\ncmd = sh -c \'trap "seq 5; printf bye; exit" TERM; echo ready; '
        "while :; do sleep 0.1; done'\n" + NOWHERE
    )
    with Follower(daemon, "web") as follower:
        follower.until("web.1 | ready")
        daemon.stop()
        assert follower.end() == (1, "error: circusd has ended\n")
        assert follower.lines == [f"web.1 | {word}" for word in ("ready", 1, 2, 3, 4, 5, "bye")]


def test_a_follower_of_a_flood_misses_nothing_it_is_not_told_of(
    start: Start, mouths: Callable[[str], Mouth]
) -> None:
    mouth = mouths("mouth")
    count = 100_000
    daemon = start(
        f"[watcher:flood]\ncmd = sh -c 'echo 0; read x < {mouth.path}; exec seq {count}'\nrespawn = False\n"
        f"tail_bytes = 300K\n{NOWHERE}"
        "[watcher:calm]\ncmd = sleep 1000\n"
    )
    with Follower(daemon, "flood", "--json") as follower:
        until(lambda: follower.lines)
        mouth.say("go\n")
        until(lambda: any(f'"{count}"' in line for line in follower.lines[-5:]))
        assert daemon.watcher("calm").status() == "active"
        follower.interrupt()
        assert follower.end()[0] == 0
    told = [json.loads(line) for line in follower.lines]
    read = [int(line["message"]) for line in told if "message" in line]
    lost = [line["lost_bytes"] for line in told if "lost_bytes" in line]
    written = sum(len(str(number)) + 1 for number in range(count + 1))
    assert read == sorted(set(read))
    missed = written - sum(len(str(number)) + 1 for number in read)
    assert 0 <= missed - sum(lost) <= 7 * len(lost)  # of a line that had begun before only the rest counts


def test_what_a_client_asks_for_directly_is_answered_in_its_time(
    start: Start, mouths: Callable[[str], Mouth]
) -> None:
    mouth = mouths("mouth")
    daemon = start(speaker("web", mouth.path))
    reply = daemon.call("logs", name="web")
    assert (reply["lines"], reply["lost"], reply["missing"], reply["more"], reply["ended"]) == (
        [], {}, {}, False, False,
    )  # fmt: skip
    told: list[object] = []
    with daemon.client() as client:
        waiting = threading.Thread(
            target=lambda: told.append(
                client.send("logs", name="web", after=reply["cursor"], wait=60)["lines"][0]["message"]
            )
        )
        waiting.start()
        mouth.say("here\n")
        waiting.join(DEADLINE)
    assert told == ["here"]


def test_a_client_that_never_reads_what_it_asked_for_costs_bounded_memory(start: Start) -> None:
    daemon = start(f"[watcher:web]\ncmd = sh -c 'seq -f %01000g 100; exec sleep 1000'\n{NOWHERE}")
    until(lambda: len(logs(daemon, "web", "-n", "30")) == 30)
    request = wire.encode_request("logs", {"lines": 30})
    before = psutil.Process(daemon.pid).memory_info().rss
    with Peers() as peers:
        lazy = peers.dealer(daemon.endpoint)
        lazy.setsockopt(zmq.RCVHWM, 1)
        for _ in range(2000):
            lazy.send(request)
        assert daemon.call("numwatchers")["numwatchers"] == 2
        until(lambda: daemon.call("dstats")["replies_dropped"] > 0)
        grown = psutil.Process(daemon.pid).memory_info().rss - before
    assert grown < 40 << 20  # 512 replies of 30 KB, and what the allocator keeps; 60 MB are asked for
