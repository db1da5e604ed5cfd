"""Output of real processes through real pipes into sinks on real threads."""

import asyncio
import contextlib
import hashlib
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from circus_core.errors import SpawnError
from circus_core.output.pipes import READ_SIZE, OutputPipe, Redirector
from circus_core.output.sinks import QUEUE_LIMIT, SinkRunner
from circus_core.output.tail import Tails
from circus_core.workers import Workers
from circus_streams import FileStream

DEADLINE = 60.0
Chunk = Mapping[str, Any]


@dataclass
class Recorder:
    """Remembers every call in order."""

    chunks: list[Chunk] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __call__(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.calls.append(f"chunk {len(chunk['data'])}")

    def open(self) -> None:
        self.calls.append("open")

    def close(self) -> None:
        self.calls.append("close")

    def end_of_output(self, pid: int, name: str) -> None:
        self.calls.append(f"end {name}")

    def data(self, name: str = "stdout") -> bytes:
        return b"".join(chunk["data"] for chunk in self.chunks if chunk["name"] == name)


@dataclass
class Pausing(Recorder):
    """Takes from the pipe itself; when that is empty it says so, and returns as soon as it may go on."""

    is_empty: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    read: bytes = b""

    def take(self, fd: int, labels: Mapping[str, Any]) -> bytes:
        try:
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            self.is_empty.set()
            self.goes_on.wait(DEADLINE)
            raise
        self.read += data
        return data

    def recall(self, labels: Mapping[str, Any], size: int) -> bytes:
        return b""


@dataclass
class Stage:
    """A redirector and the processes that write to it."""

    redirector: Redirector
    workers: Workers
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(
        self, code: str, *args: object, stdout: SinkRunner | None = None, stderr: SinkRunner | None = None
    ) -> list[OutputPipe]:
        """Start a Python program; return its pipes, of those outputs that have a runner."""
        wanted = {name: runner for name, runner in (("stdout", stdout), ("stderr", stderr)) if runner}
        ends = {name: self.redirector.open_pipe() for name in wanted}
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, *map(str, args)],
            stdout=ends["stdout"][1] if stdout else None,
            stderr=ends["stderr"][1] if stderr else None,
        )
        for _, theirs in ends.values():
            os.close(theirs)
        self.children.append(child)
        return [
            self.redirector.attach(ends[name][0], runner, pid=child.pid, name=name, watcher="w", wid=1)
            for name, runner in wanted.items()
        ]


@contextlib.asynccontextmanager
async def _stage() -> AsyncIterator[Stage]:
    workers = Workers()
    stage = Stage(Redirector(asyncio.get_running_loop(), workers), workers)
    try:
        yield stage
    finally:
        for child in stage.children:
            child.kill()
            child.wait()
        await stage.redirector.close(timeout=DEADLINE)
        workers.close()


@pytest.fixture(autouse=True)
def _descriptors_are_given_back() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


async def _finish(pipes: list[OutputPipe], *runners: SinkRunner) -> None:
    await _until(lambda: all(pipe.is_closed for pipe in pipes))
    for runner in runners:
        assert await runner.close(timeout=DEADLINE)


class TestDelivery:
    def test_both_outputs_arrive_with_their_labels(self) -> None:
        async def scenario() -> Recorder:
            sink = Recorder()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                runner.open()
                code = "import sys; sys.stdout.write('out\\n'); sys.stderr.write('err\\n')"
                pipes = stage.run(code, stdout=runner, stderr=runner)
                await _finish(pipes, runner)
                assert stage.redirector.pipes == frozenset()
            assert {chunk["pid"] for chunk in sink.chunks} == {stage.children[0].pid}
            return sink

        before = time.time()
        sink = asyncio.run(scenario())
        assert (sink.data("stdout"), sink.data("stderr")) == (b"out\n", b"err\n")
        chunk = sink.chunks[0]
        assert set(chunk) == {"data", "pid", "name", "timestamp", "watcher", "wid"}
        assert (chunk["watcher"], chunk["wid"]) == ("w", 1)
        assert before - 1 < chunk["timestamp"] < time.time() + 1
        assert sink.calls[0] == "open"
        assert sorted(sink.calls[1:-1]) == ["chunk 4", "chunk 4", "end stderr", "end stdout"]
        assert sink.calls[-1] == "close"

    def test_two_hundred_megabytes_arrive_byte_for_byte(
        self, tmp_path: Path, record_property: Callable[[str, object], None]
    ) -> None:
        code = (
            "import hashlib, os, random\n"
            "view = memoryview(random.Random(1).randbytes(1_000_003)); total = hashlib.sha256()\n"
            "for n in range(200):\n"
            "    rest = view[n:]; total.update(rest)\n"
            "    while rest: rest = rest[os.write(1, rest):]\n"
            "os.write(2, total.hexdigest().encode())\n"
        )

        async def scenario() -> tuple[str, float]:
            digest = Recorder()
            async with _stage() as stage:
                out = stage.redirector.make_runner(FileStream(tmp_path / "out"), label="out")
                err = stage.redirector.make_runner(digest, label="err")
                began = time.perf_counter()
                pipes = stage.run(code, stdout=out, stderr=err)
                await _finish(pipes, out, err)
                assert (out.errors, out.dropped_bytes) == (0, 0)
                return digest.data("stderr").decode(), time.perf_counter() - began

        expected, seconds = asyncio.run(scenario())
        record_property("MB/s", round(200 / seconds))
        with (tmp_path / "out").open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == expected
        assert (tmp_path / "out").stat().st_size == 200 * 1_000_003 - sum(range(200))

    def test_the_last_words_of_short_lived_processes_are_not_lost(self) -> None:
        async def scenario() -> bytes:
            sink = Recorder()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                code = "import os; os.write(1, b'0123456789abcde\\n' * 4096)"  # just what a pipe holds
                pipes = [pipe for _ in range(20) for pipe in stage.run(code, stdout=runner)]
                for child in stage.children:
                    child.wait()  # the pipes are read only now
                drained = await asyncio.gather(*(pipe.drain(timeout=DEADLINE) for pipe in pipes))
                assert all(drained)
                await _finish(pipes, runner)
            return sink.data()

        assert asyncio.run(scenario()) == b"0123456789abcde\n" * 4096 * 20

    def test_many_processes_share_one_slow_sink_in_turn(self) -> None:
        code = "import os, sys\nfor _ in range(40): os.write(1, sys.argv[1].encode() * 10_000)"

        async def scenario() -> dict[str, int]:
            counts = dict.fromkeys("abcdefghijkl", 0)

            def slow(chunk: Chunk) -> None:
                time.sleep(0.0005)
                counts[chunk["data"][:1].decode()] += len(chunk["data"])

            async with _stage() as stage:
                runner = stage.redirector.make_runner(slow, label="w")
                pipes = [pipe for letter in counts for pipe in stage.run(code, letter, stdout=runner)]
                await _finish(pipes, runner)
            return counts

        assert set(asyncio.run(scenario()).values()) == {400_000}


class TestBackPressure:
    def test_a_blocked_sink_holds_back_its_own_process_only(self) -> None:
        talk = "import os\nwhile True: os.write(1, b'x' * 4096)"
        count = "import os\nfor n in range(20000): os.write(1, b'%d\\n' % n)"

        async def scenario() -> tuple[bytes, float]:
            gate, entered, sink = threading.Event(), threading.Event(), Recorder()

            def blocked(_: Chunk) -> None:
                entered.set()
                gate.wait(DEADLINE)

            async with _stage() as stage:
                stuck = stage.redirector.make_runner(blocked, label="stuck")
                free = stage.redirector.make_runner(sink, label="free")
                talking = stage.run(talk, stdout=stuck)
                await _until(lambda: entered.is_set() and stuck.is_full)
                async with _heartbeat() as worst:
                    await _finish(stage.run(count, stdout=free), free)
                    await _until(lambda: _is_asleep(stage.children[0].pid))
                assert stuck._load <= QUEUE_LIMIT + READ_SIZE + 512
                gate.set()
                stage.children[0].kill()
                await _finish(talking, stuck)
            return sink.data(), worst[0]

        data, late = asyncio.run(scenario())
        assert data == b"".join(b"%d\n" % n for n in range(20000))
        assert late < DEADLINE / 2  # or it would have waited for the sink

    def test_a_held_back_process_goes_on_where_it_was(self) -> None:
        code = "import os\nfor n in range(200_000): os.write(1, b'%06d\\n' % n)"

        async def scenario() -> bytes:
            gate, sink = threading.Event(), Recorder()

            def gated(chunk: Chunk) -> None:
                gate.wait(DEADLINE)
                sink(chunk)

            async with _stage() as stage:
                runner = stage.redirector.make_runner(gated, label="w")
                pipes = stage.run(code, stdout=runner)
                await _until(lambda: runner.is_full)
                gate.set()
                await _finish(pipes, runner)
            return sink.data()

        assert asyncio.run(scenario()) == b"".join(b"%06d\n" % n for n in range(200_000))


class TestTrouble:
    def test_a_sink_that_raises_loses_the_chunk_and_is_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scenario() -> tuple[SinkRunner, list[bytes]]:
            got: list[bytes] = []

            def picky(chunk: Chunk) -> None:
                if chunk["data"].startswith(b"bad"):
                    raise ValueError("no bad words")
                if chunk["data"] == b"exit":
                    sys.exit(3)
                got.append(chunk["data"])

            async with _stage() as stage:
                runner = stage.redirector.make_runner(picky, label="watcher 'w': stdout")
                for data in (b"one", b"bad", b"bad again", b"exit", b"two"):
                    runner.feed({"data": data})
                assert await runner.close(timeout=DEADLINE)
            return runner, got

        runner, got = asyncio.run(scenario())
        assert got == [b"one", b"two"]
        assert (runner.errors, runner.dropped_bytes) == (3, 16)
        first, second = caplog.records
        assert first.getMessage().startswith("watcher 'w': stdout: the stream failed (3 bytes lost)")
        assert first.exc_info is not None
        assert first.exc_info[0] is ValueError
        assert second.exc_info is not None
        assert second.exc_info[0] is SystemExit

    def test_an_oserror_keeps_the_chunk_until_it_is_taken(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)

        async def scenario() -> tuple[SinkRunner, list[Chunk], list[Chunk]]:
            offered: list[Chunk] = []
            taken: list[Chunk] = []

            def failing(chunk: Chunk) -> None:
                offered.append(chunk)
                if len(offered) in (2, 3, 4):
                    raise OSError(28, "No space left on device", "/var/log/x")
                taken.append(chunk)

            async with _stage() as stage:
                runner = stage.redirector.make_runner(failing, label="w: stdout")
                for data in (b"one", b"two", b"three"):
                    runner.feed({"data": data})
                await _until(lambda: bool(runner.problem))
                assert runner.problem == "no space left on device: '/var/log/x'"
                assert await runner.close(timeout=DEADLINE)
            return runner, offered, taken

        runner, offered, taken = asyncio.run(scenario())
        assert [chunk["data"] for chunk in taken] == [b"one", b"two", b"three"]
        assert all(chunk is offered[1] for chunk in offered[1:5])
        assert (runner.errors, runner.dropped_bytes, runner.problem) == (3, 0, "")
        warning, info = caplog.records
        assert warning.getMessage() == (
            "w: stdout: no space left on device: '/var/log/x'; output is held back until this works"
        )
        assert info.getMessage().startswith("w: stdout: works again after ")

    def test_a_sink_that_refuses_now_and_then_is_asked_again_soon(self) -> None:
        taken: list[bytes] = []
        refused: set[bytes] = set()

        def reluctant(chunk: Chunk) -> None:
            if chunk["data"] not in refused:
                refused.add(chunk["data"])
                raise OSError
            taken.append(chunk["data"])

        chunks = [b"%d" % number for number in range(10)]

        async def scenario() -> None:
            async with _stage() as stage:
                runner = stage.redirector.make_runner(reluctant, label="w")
                for each in chunks:
                    runner.feed({"data": each})
                assert await runner.close(timeout=20)  # a second is enough; with growing pauses half a minute

        asyncio.run(scenario())
        assert taken == chunks

    def test_closing_delivers_what_is_queued_and_closes_once(self) -> None:
        async def scenario() -> list[str]:
            sink = Recorder()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                runner.open()
                for _ in range(100):
                    runner.feed({"data": b"x" * 1000})
                assert await runner.close(timeout=DEADLINE)
                assert await runner.close(timeout=DEADLINE)
                runner.feed({"data": b"late"})
                assert runner.dropped_bytes == 4
                runner.open()
                runner.feed({"data": b"x" * 1000})
                assert await runner.close(timeout=DEADLINE)
            return sink.calls

        chunks = ["chunk 1000"]
        assert asyncio.run(scenario()) == ["open", *chunks * 100, "close", "open", *chunks, "close"]

    def test_closing_gives_up_on_a_sink_that_takes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario() -> tuple[SinkRunner, list[str]]:
            calls: list[str] = []

            class Full:
                def __call__(self, _: Chunk) -> None:
                    calls.append("chunk")
                    raise OSError(28, "No space left on device")

                def close(self) -> None:
                    calls.append("close")

            async with _stage() as stage:
                runner = stage.redirector.make_runner(Full(), label="w")
                for _ in range(10):
                    runner.feed({"data": b"x" * 100})
                assert not await runner.close(timeout=0.3)
                assert runner.is_idle
            return runner, calls

        runner, calls = asyncio.run(scenario())
        assert runner.dropped_bytes == 1000
        assert calls.count("close") == 1
        assert calls[-1] == "close"
        assert caplog.records[-1].getMessage() == (
            "w: closed with 1000 bytes lost and 0 in the hands of the stream: no space left on device"
        )

    def test_opening_right_after_closing_is_not_undone(self) -> None:
        async def scenario() -> tuple[list[str], int]:
            sink = Recorder()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                runner.open()
                closing = asyncio.create_task(runner.close(timeout=DEADLINE))
                runner.open()
                runner.feed({"data": b"new"})
                assert await closing
                runner.feed({"data": b"newer"})
                assert await runner.close(timeout=DEADLINE)
            return sink.calls, runner.dropped_bytes

        assert asyncio.run(scenario()) == (["open", "close", "open", "chunk 3", "chunk 5", "close"], 0)

    def test_opening_while_a_close_still_waits_gives_nothing_up(self) -> None:
        async def scenario() -> tuple[list[str], int]:
            sink, gate = Recorder(), threading.Event()

            def gated(chunk: Chunk) -> None:
                gate.wait(DEADLINE)
                sink(chunk)

            async with _stage() as stage:
                runner = stage.redirector.make_runner(gated, label="w")
                runner.feed({"data": b"old"})
                closing = asyncio.create_task(runner.close(timeout=0.1))
                runner.open()
                runner.feed({"data": b"newer"})
                assert await closing
                gate.set()
                assert await runner.close(timeout=DEADLINE)
            return sink.calls, runner.dropped_bytes

        assert asyncio.run(scenario()) == (["chunk 3", "chunk 5"], 0)

    def test_a_close_that_a_later_one_has_followed_gives_nothing_up(self) -> None:
        async def scenario() -> tuple[list[str], int]:
            sink, gate = Recorder(), threading.Event()

            def gated(chunk: Chunk) -> None:
                gate.wait(DEADLINE)
                sink(chunk)

            async with _stage() as stage:
                runner = stage.redirector.make_runner(gated, label="w")
                runner.feed({"data": b"old"})
                first = asyncio.create_task(runner.close(timeout=0.1))
                runner.open()
                runner.feed({"data": b"newer"})
                last = asyncio.create_task(runner.close(timeout=DEADLINE))
                assert await first
                gate.set()
                assert await last
            return sink.calls, runner.dropped_bytes

        assert asyncio.run(scenario()) == (["chunk 3", "chunk 5"], 0)

    def test_a_close_that_gave_up_says_nothing_of_a_sink_that_was_opened_again(self) -> None:
        async def scenario() -> int:
            gate = threading.Event()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(lambda _: gate.wait(DEADLINE), label="w")
                for _ in range(3):
                    runner.feed({"data": b"x" * 100_000})
                closing = asyncio.create_task(runner.close(timeout=0.1))
                await _until(lambda: runner.dropped_bytes > 0)
                runner.open()
                assert await closing  # else the pipes of those that run now would be closed
                gate.set()
                assert await runner.close(timeout=DEADLINE)
                return runner.dropped_bytes

        assert asyncio.run(scenario()) == 200_000

    def test_closing_leaves_a_stuck_sink_behind(self) -> None:
        async def scenario() -> None:
            gate, closed = threading.Event(), threading.Event()

            class Stuck:
                def __call__(self, _: Chunk) -> None:
                    gate.wait(DEADLINE)

                def close(self) -> None:
                    closed.set()

            async with _stage() as stage:
                runner = stage.redirector.make_runner(Stuck(), label="w")
                for _ in range(3):
                    runner.feed({"data": b"x" * 100_000})
                assert not await runner.close(timeout=0.1)
                assert runner.dropped_bytes == 200_000
                gate.set()
                await _until(closed.is_set)
                await _until(lambda: runner.is_idle)

        asyncio.run(scenario())

    def test_a_loop_that_ends_first_is_no_trouble_to_a_sink(self) -> None:
        gate, entered = threading.Event(), threading.Event()

        def slow(_: Chunk) -> None:
            entered.set()
            gate.wait(DEADLINE)

        async def scenario() -> Workers:
            workers = Workers()
            runner = Redirector(asyncio.get_running_loop(), workers).make_runner(slow, label="w")
            runner.feed({"data": b"x"})
            await _until(entered.is_set)
            return workers

        workers = asyncio.run(scenario())
        workers.close()
        gate.set()
        deadline = time.monotonic() + DEADLINE
        while workers.count and time.monotonic() < deadline:
            time.sleep(0.005)
        assert workers.count == 0

    def test_no_free_descriptor_is_a_shortage(self) -> None:
        async def scenario() -> None:
            async with _stage() as stage:
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
                try:
                    with pytest.raises(
                        SpawnError, match="can't make a pipe for the output: too many open files"
                    ) as e:
                        stage.redirector.open_pipe()
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert e.value.shortage

        asyncio.run(scenario())


class TestPipes:
    def test_a_pipe_held_open_by_a_descendant_stays_attached(self) -> None:
        code = (
            "import os, sys\n"
            "os.write(1, b'parent\\n')\n"
            "if os.fork() == 0:\n"
            "    open(int(sys.argv[1]), 'rb', 0).read(1); os.write(1, b'descendant\\n'); os._exit(0)\n"
        )

        async def scenario() -> bytes:
            sink = Recorder()
            ours, theirs = os.pipe()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                ends = stage.redirector.open_pipe()
                child = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", code, str(ours)], stdout=ends[1], pass_fds=[ours]
                )
                os.close(ends[1])
                os.close(ours)
                pipe = stage.redirector.attach(
                    ends[0], runner, pid=child.pid, name="stdout", watcher="w", wid=1
                )
                child.wait()
                assert await pipe.drain(timeout=DEADLINE)
                assert not pipe.is_closed
                assert await runner.flush(timeout=DEADLINE)
                assert sink.data() == b"parent\n"
                os.write(theirs, b"!")
                os.close(theirs)
                await _finish([pipe], runner)
            return sink.data()

        assert asyncio.run(scenario()) == b"parent\ndescendant\n"

    def test_draining_waits_for_a_slow_sink_but_not_for_ever(self) -> None:
        async def scenario() -> None:
            gate = threading.Event()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(lambda _: gate.wait(DEADLINE), label="w")
                (pipe,) = stage.run("import os\nwhile True: os.write(1, b'x' * 4096)", stdout=runner)
                await _until(lambda: runner.is_full)
                assert not await pipe.drain(timeout=0.1)
                stage.children[0].kill()
                gate.set()
                assert await pipe.drain(timeout=DEADLINE)
                assert await runner.close(timeout=DEADLINE)

        asyncio.run(scenario())

    def test_draining_sees_what_comes_after_the_sink_found_the_pipe_empty(self) -> None:
        async def scenario() -> bytes:
            sink = Pausing()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                runner.open()
                ours, theirs = stage.redirector.open_pipe()
                pipe = stage.redirector.attach(ours, runner, pid=1, name="stdout", watcher="w", wid=1)
                os.write(theirs, b"first\n")
                await asyncio.to_thread(sink.is_empty.wait, DEADLINE)
                os.write(theirs, b"last words\n")
                draining = asyncio.create_task(pipe.drain(timeout=DEADLINE))
                await asyncio.sleep(0)  # it has begun, in the middle of the turn that found nothing more
                sink.goes_on.set()
                assert await draining
                read = sink.read
                os.close(theirs)
                await _finish([pipe], runner)
            return read

        assert asyncio.run(scenario()) == b"first\nlast words\n"

    def test_a_sink_that_is_closed_while_it_had_no_room_gets_what_is_in_the_pipe(self) -> None:
        lines = (QUEUE_LIMIT + READ_SIZE // 2) // 7
        code = f"import os\nfor n in range({lines}): os.write(1, b'%06d\\n' % n)"

        async def scenario() -> bytes:
            gate, sink = threading.Event(), Recorder()

            def slow(chunk: Chunk) -> None:
                gate.wait(DEADLINE)
                sink(chunk)

            async with _stage() as stage:
                runner = stage.redirector.make_runner(slow, label="w")
                (pipe,) = stage.run(code, stdout=runner)
                await _until(lambda: stage.children[0].poll() == 0 and pipe.is_waiting)
                pipe.hand_over()
                closing = runner.close(timeout=DEADLINE)
                gate.set()
                assert await closing
                assert runner.dropped_bytes == 0
                await _finish([pipe], runner)
            return sink.data()

        assert asyncio.run(scenario()) == b"".join(b"%06d\n" % n for n in range(lines))

    def test_a_sink_that_is_closed_in_the_middle_of_a_turn_gets_what_is_in_the_pipe(self) -> None:
        async def scenario() -> tuple[bytes, list[tuple[str, bytes]]]:
            sink, tails = Pausing(), Tails()
            tail = tails.make(100_000, 0)
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                runner.open()
                ours, theirs = stage.redirector.open_pipe()
                pipe = stage.redirector.attach(
                    ours, runner, pid=1, name="stdout", watcher="w", wid=1, tail=tail
                )
                os.write(theirs, b"first\n")
                await asyncio.to_thread(sink.is_empty.wait, DEADLINE)
                os.write(theirs, b"last words\n")
                os.close(theirs)
                pipe.hand_over()
                closing = runner.close(timeout=DEADLINE)
                sink.goes_on.set()
                assert await closing
                assert runner.dropped_bytes == 0
                assert sink.calls == ["open", "close"]
                await _until(lambda: pipe.is_closed)
            return sink.read, [(line.origin.stream, line.data) for line in tail.read().lines]

        read, shown = asyncio.run(scenario())
        assert read == b"first\nlast words\n"
        assert shown == [("stdout", b"first"), ("stdout", b"last words")]

    def test_a_pipe_can_be_redirected_even_while_it_is_held_back(self) -> None:
        code = "import os\nfor n in range(100_000): os.write(1, b'%06d\\n' % n)"

        async def scenario() -> bytes:
            gate, sink, stuck = threading.Event(), Recorder(), Recorder()

            def blocked(chunk: Chunk) -> None:
                gate.wait(DEADLINE)
                stuck(chunk)

            async with _stage() as stage:
                old = stage.redirector.make_runner(blocked, label="old")
                new = stage.redirector.make_runner(sink, label="new")
                pipes = stage.run(code, stdout=old)
                await _until(lambda: old.is_full)
                stage.redirector.redirect(old, new)
                await _finish(pipes, new)
                gate.set()
                assert await old.close(timeout=DEADLINE)
            return stuck.data() + sink.data()

        assert asyncio.run(scenario()) == b"".join(b"%06d\n" % n for n in range(100_000))

    def test_a_detached_descriptor_stays_open_for_its_new_owner(self) -> None:
        async def scenario() -> None:
            async with _stage() as stage:
                runner = stage.redirector.make_runner(Recorder(), label="w")
                ours, theirs = stage.redirector.open_pipe()
                pipe = stage.redirector.attach(ours, runner, pid=1, name="stdout", watcher="w", wid=1)
                fd = pipe.detach()
                assert pipe.is_closed
                assert stage.redirector.pipes == frozenset()
                os.write(theirs, b"for another")
                assert os.read(fd, 100) == b"for another"
                os.close(fd)
                os.close(theirs)

        asyncio.run(scenario())

    def test_neither_end_of_a_new_pipe_is_inherited_and_only_ours_does_not_block(self) -> None:
        async def scenario() -> None:
            async with _stage() as stage:
                ends = stage.redirector.open_pipe()
                assert [os.get_inheritable(fd) for fd in ends] == [False, False]
                assert [os.get_blocking(fd) for fd in ends] == [False, True]
                for fd in ends:
                    os.close(fd)

        asyncio.run(scenario())

    def test_reopen_falls_back_to_close_and_open(self) -> None:
        async def scenario() -> list[str]:
            sink = Recorder()
            async with _stage() as stage:
                runner = stage.redirector.make_runner(sink, label="w")
                runner.open()
                runner.reopen()
                assert await runner.close(timeout=DEADLINE)
            return sink.calls

        assert asyncio.run(scenario()) == ["open", "close", "open", "close"]


@contextlib.asynccontextmanager
async def _heartbeat() -> AsyncIterator[list[float]]:
    """Give a list whose only value is the longest time, in seconds, that the loop was late."""
    loop, worst = asyncio.get_running_loop(), [0.0]

    async def beat() -> None:
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            worst[0] = max(worst[0], loop.time() - due)

    task = asyncio.create_task(beat())
    try:
        yield worst
    finally:
        task.cancel()
        await asyncio.wait([task])


def _is_asleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
