"""How exits are learned of, and signals sent, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from circus_core.backends.descendants import Mark, read_stat
from circus_core.backends.exits import ThreadExits
from circus_core.backends.posix import PosixBackend
from circus_core.backends.reaper import Reaper

from .backend_runs import DEADLINE, Witness, backend, blocking_backend, exit_of, request, run_scenario, until

ALONE = ("unshare", "--pid", "--fork", "--mount-proc")
"""Words for a namespace in which nobody else takes a number."""


@contextmanager
def _threads_backend(*, loop: asyncio.AbstractEventLoop | None) -> Iterator[PosixBackend]:
    """What a system without pidfds gets."""
    made = PosixBackend(loop=loop, subreaper=False)
    made.close()
    made._reaper = Reaper(
        loop=loop,
        mark=Mark(outer=None),
        adopts=False,
        make_exits=lambda loop, on_ended: ThreadExits(loop=loop, on_ended=on_ended),
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def _either(kind: str) -> Iterator[PosixBackend]:
    if kind == "pidfd":
        with backend() as made:
            yield made
    else:
        with _threads_backend(loop=asyncio.get_running_loop()) as made:
            yield made


kinds = pytest.mark.parametrize("kind", ["pidfd", "thread"])


@kinds
@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", -9), ("kill -TERM $$", -15)],
)
def test_the_return_code_is_that_of_subprocess(kind: str, script: str, code: int) -> None:
    async def main() -> int:
        with _either(kind) as made:
            return await exit_of(made, request("sh", "-c", script))

    assert asyncio.run(main()) == code


@kinds
def test_the_exit_is_reported_once_and_never_inside_spawn(kind: str) -> None:
    reports: list[int] = []
    spawning = False

    def on_exit(code: int) -> None:
        assert not spawning
        reports.append(code)

    async def main() -> None:
        nonlocal spawning
        with _either(kind) as made:
            for _ in range(50):
                spawning = True
                made.spawn(request("true"), on_exit)
                spawning = False
            await until(lambda: len(reports) == 50)
            await asyncio.sleep(0)
        _assert_no_children()

    asyncio.run(main())
    assert reports == [0] * 50


@kinds
def test_a_failing_callback_does_not_hold_back_the_others(kind: str) -> None:
    async def main() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failures.append(context["exception"])
        )
        reports: list[int] = []

        def fail(code: int) -> None:
            raise RuntimeError("in a callback")

        with _either(kind) as made:
            for on_exit in (fail, reports.append, fail, reports.append):
                made.spawn(request("true"), on_exit)
            await until(lambda: len(reports) == 2 and len(failures) == 2)

    asyncio.run(main())


@kinds
def test_a_callback_may_spawn(kind: str) -> None:
    async def main() -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with _either(kind) as made:

            def on_exit(code: int) -> None:
                made.spawn(request("sh", "-c", "exit 5"), done.set_result)

            made.spawn(request("true"), on_exit)
            return await asyncio.wait_for(done, DEADLINE)

    assert asyncio.run(main()) == 5


@kinds
def test_a_signal_reaches_the_process_and_then_no_other(kind: str) -> None:
    async def main() -> None:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with _either(kind) as made:
            child = made.spawn(request("sleep", "100"), done.set_result)
            assert child.returncode is None
            assert child.send_signal(signal.SIGTERM) is True
            assert await asyncio.wait_for(done, DEADLINE) == -signal.SIGTERM
            assert child.returncode == -signal.SIGTERM
            assert child.send_signal(signal.SIGTERM) is False
            assert child.send_signal_group(signal.SIGTERM) is False

    asyncio.run(main())


@kinds
def test_a_signal_to_the_group_reaches_its_children(kind: str) -> None:
    async def main() -> None:
        with _either(kind) as made, Witness() as witness:
            script = "sleep 100 & echo up; sleep 100"
            wanted = request("sh", "-c", script, stdout=witness.write_end, kill_descendants=False)
            done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            child = made.spawn(wanted, done.set_result)
            assert await witness.line() == "up"
            assert child.send_signal_group(signal.SIGTERM) is True
            assert await asyncio.wait_for(done, DEADLINE) == -signal.SIGTERM
            assert await witness.sees_the_end()

    asyncio.run(main())


@kinds
def test_the_group_dies_with_its_leader(kind: str) -> None:
    async def main() -> None:
        with _either(kind) as made, Witness() as witness:
            wanted = request("sh", "-c", "sleep 100 & exit 3", stdout=witness.write_end)
            assert await exit_of(made, wanted) == 3
            assert await witness.sees_the_end()

    asyncio.run(main())


def test_without_adoption_marked_descendants_die_if_the_group_outlived_its_leader() -> None:
    script = "sleep 100 & setsid sh -c 'echo up; sleep 100' & read go; exit 3"

    async def main() -> None:
        go, starter = os.pipe()
        with backend() as made, Witness() as witness:
            done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            made.spawn(request("sh", "-c", script, stdin=go, stdout=witness.write_end), done.set_result)
            assert await witness.line() == "up"
            os.close(go)
            os.close(starter)
            assert await asyncio.wait_for(done, DEADLINE) == 3
            assert await witness.sees_the_end()

    asyncio.run(main())


@kinds
def test_descendants_are_left_alone_if_asked(kind: str) -> None:
    async def main() -> None:
        with _either(kind) as made, Witness() as witness:
            script = "sleep 100 & echo $!; exit 3"
            wanted = request("sh", "-c", script, stdout=witness.write_end, kill_descendants=False)
            assert await exit_of(made, wanted) == 3
            os.kill(int(await witness.line()), signal.SIGKILL)  # it is still there
            assert await witness.sees_the_end()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["pidfd", "thread"])
def test_without_a_loop_one_polls_and_waits(kind: str) -> None:
    with blocking_backend() if kind == "pidfd" else _threads_backend(loop=None) as made:
        child = made.spawn(request("sleep", "100"), None)
        assert child.poll() is None
        assert child.wait(0.01) is None
        assert child.send_signal(signal.SIGKILL)
        assert child.wait(DEADLINE) == -signal.SIGKILL
        assert child.poll() == -signal.SIGKILL
        quick = made.spawn(request("sh", "-c", "exit 4"), None)
        assert quick.wait() == 4
    _assert_no_children()


def test_a_child_without_callback_may_be_polled_beside_a_loop() -> None:
    async def main() -> None:
        with backend() as made:
            child = made.spawn(request("sh", "-c", "exit 4"), None)
            await until(lambda: child.poll() is not None)
            assert child.returncode == 4

    asyncio.run(main())


def test_children_of_the_host_program_keep_their_status() -> None:
    async def main() -> None:
        hosts = [
            subprocess.Popen([sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"]) for _ in range(3)
        ]
        with backend() as made:
            assert [await exit_of(made, request("true")) for _ in range(20)] == [0] * 20
            made.reap_orphans()
            await asyncio.sleep(0)
        assert [host.wait(DEADLINE) for host in hosts] == [7] * 3

    asyncio.run(main())


def test_embedded_nothing_of_the_process_is_changed() -> None:
    async def main() -> None:
        handler = signal.getsignal(signal.SIGCHLD)
        threads = threading.active_count()
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        with backend() as made:
            await exit_of(made, request("true"))
            assert signal.getsignal(signal.SIGCHLD) == handler
            assert signal.set_wakeup_fd(wakeup) == wakeup
            assert threading.active_count() == threads

    asyncio.run(main())


def test_a_stolen_status_is_reported_as_255_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with backend() as made:
            child = made.spawn(request("true"), done.set_result)
            os.waitpid(child.pid, 0)  # what a careless host does, with -1
            assert await asyncio.wait_for(done, DEADLINE) == 255
            assert child.send_signal_group(signal.SIGKILL) is False

    asyncio.run(main())
    assert "the exit status of process" in caplog.text


def test_close_gives_back_every_descriptor_and_leaves_processes_alone() -> None:
    async def main() -> None:
        before = set(os.listdir("/proc/self/fd"))
        reports: list[int] = []
        with backend() as made:
            pids = [made.spawn(request("sleep", "100"), reports.append).pid for _ in range(5)]
            made.spawn(request("true"), reports.append)
        assert set(os.listdir("/proc/self/fd")) == before
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for _ in range(6):
            os.waitpid(-1, 0)
        assert reports == []

    asyncio.run(main())


@pytest.mark.root
def test_a_recycled_pid_is_not_hit() -> None:
    found = run_scenario("recycled_pid", prefix=ALONE)
    assert found["is_recycled"]
    assert found["reached"] == [False, False]
    assert found["lives"]


@pytest.mark.root
def test_the_number_of_an_ended_process_is_not_given_away_before_its_group_is_dealt_with() -> None:
    found = run_scenario("number_of_the_dead", prefix=ALONE)
    assert not found["is_recycled"]
    assert found["code"] == 0


def _assert_no_children() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


TRACER = """\
import ctypes, os, sys
SEIZE, WALL = 0x4206, 0x40000000  # ptrace(2), waitpid(2)
pid = int(sys.argv[1])
assert ctypes.CDLL(None).ptrace(SEIZE, pid, None, None) == 0
print("traced", flush=True)
sys.stdin.readline()
os.waitpid(pid, WALL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace(2) of Linux")
@kinds
def test_a_process_that_dies_in_the_hands_of_a_debugger_is_reported_when_that_lets_go(kind: str) -> None:
    async def main() -> tuple[list[int], list[int]]:
        codes: list[int] = []
        with _either(kind) as made:
            child = made.spawn(request("sleep", "1000"), codes.append)
            with _tracer_of(child.pid) as tracer:
                child.send_signal(signal.SIGKILL)
                await until(lambda: _is_zombie(child.pid))
                await asyncio.sleep(0)
                before = list(codes)
                assert tracer.stdin is not None
                tracer.stdin.close()
                await until(lambda: codes)
            return before, codes

    assert asyncio.run(main()) == ([], [-9])


@contextmanager
def _tracer_of(pid: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that traces this one until its stdin is closed."""
    command = [sys.executable, "-c", TRACER, str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tracer:
        assert tracer.stdout is not None
        if tracer.stdout.readline() != "traced\n":
            pytest.skip("nothing may be traced here")
        yield tracer


def _is_zombie(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and stat.is_zombie
