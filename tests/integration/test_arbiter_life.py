"""The life of one embedded arbiter: opened once, stopped at any moment, and nothing left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from circus_core import events
from circus_core.backends import Child, ExitCallback, SpawnRequest
from circus_core.errors import CommandError, SocketError, UnknownWatcherError
from circus_core.hookspecs import hookimpl
from circus_core.library import EmbeddedArbiter, get_arbiter
from circus_core.views import ProcessView, WatcherView

DEADLINE = 90.0


def _arbiter(**options: Any) -> EmbeddedArbiter:
    watcher = {"name": "web", "cmd": "sleep 1000"}
    return get_arbiter([watcher], with_endpoints=False, **options)


async def _done(work: Awaitable[None] | None) -> None:
    assert work is not None
    await asyncio.wait_for(work, DEADLINE)


class Recorder:
    """Notes the hooks of an arbiter's life; `arbiter_starting` waits for `go`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    @hookimpl
    async def arbiter_starting(self) -> None:
        self.calls.append("starting")
        await self.go.wait()

    @hookimpl
    def arbiter_started(self) -> None:
        self.calls.append("started")

    @hookimpl
    def arbiter_stopping(self) -> None:
        self.calls.append("stopping")

    @hookimpl
    def arbiter_stopped(self) -> None:
        self.calls.append("stopped")


def _with_recorder(recorder: Recorder, **options: Any) -> EmbeddedArbiter:
    arbiter = _arbiter(**options)
    arbiter.hooks._manager.register(recorder, "recorder")
    return arbiter


def test_a_second_start_is_refused_and_harms_nothing() -> None:
    async def main() -> None:
        async with _arbiter() as arbiter:
            watcher = arbiter.get_watcher("web")
            await watcher.start()
            before = list(watcher.processes)
            with pytest.raises(CommandError, match="runs once"):
                await _done(arbiter.start())
            assert list(watcher.processes) == before
            assert arbiter.is_running
        assert not watcher.processes

    asyncio.run(main())


def test_an_arbiter_that_was_told_to_stop_before_it_was_opened_does_not_start() -> None:
    async def main() -> None:
        arbiter = _arbiter()
        await arbiter.request_stop()
        with pytest.raises(CommandError, match="runs once"):
            await _done(arbiter.start())
        await _done(arbiter.stop())

    asyncio.run(main())


def test_a_stop_while_it_opens_is_followed_when_it_has_opened() -> None:
    async def main() -> None:
        recorder = Recorder()
        recorder.go.clear()
        arbiter = _with_recorder(recorder, sockets=[{"name": "s", "port": 0}])
        opening = asyncio.ensure_future(arbiter.open())
        await asyncio.sleep(0)
        stopping = arbiter.request_stop()
        recorder.go.set()
        await asyncio.wait_for(stopping, DEADLINE)
        await opening
        await arbiter.wait_closed()
        assert recorder.calls == ["starting", "stopping", "stopped"]
        assert not arbiter.get_watcher("web").processes
        assert not arbiter.sockets

    asyncio.run(main())


def test_a_failed_start_gives_everything_back_and_tells_the_plugins() -> None:
    async def main() -> None:
        recorder = Recorder()
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            port = taken.getsockname()[1]
            arbiter = _with_recorder(recorder, sockets=[{"name": "s", "host": "127.0.0.1", "port": port}])
            with pytest.raises(SocketError, match="in use"):
                await _done(arbiter.start())
        assert recorder.calls == ["starting", "stopped"]
        assert not arbiter.is_running
        await _done(arbiter.stop())  # as in a `finally`
        assert recorder.calls == ["starting", "stopped"]

    asyncio.run(main())


def test_a_stop_before_the_start_can_be_awaited() -> None:
    async def main() -> None:
        await _done(_arbiter(sockets=[{"name": "s", "port": 0}]).stop())

    asyncio.run(main())


def test_who_gives_up_waiting_for_the_stop_does_not_keep_it_from_ending_the_processes() -> None:
    async def main() -> None:
        stubborn = {
            "name": "web",
            "cmd": "sh",
            "args": ["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
            "graceful_timeout": 0.5,
            "stdout_stream": {"stream": lambda chunk: ready.append(chunk["data"])},
        }
        ready: list[bytes] = []
        arbiter = get_arbiter([stubborn], with_endpoints=False)
        await _done(arbiter.start())
        watcher = arbiter.get_watcher("web")
        while not ready:
            await asyncio.sleep(0.01)
        (pid,) = watcher.processes
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(arbiter.request_stop(), 0.05)
        await asyncio.wait_for(arbiter.wait_closed(), DEADLINE)
        assert not Path(f"/proc/{pid}").exists()

    asyncio.run(main())


def test_a_listener_that_fails_is_logged_and_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: events.Event) -> None:
        raise RuntimeError("a listener of the host")

    async def main() -> None:
        arbiter = _arbiter()
        arbiter.listeners.append(fail)
        async with arbiter:
            watcher = arbiter.get_watcher("web")
            await asyncio.wait_for(watcher.start(), DEADLINE)
            await asyncio.wait_for(watcher.stop(), DEADLINE)

    asyncio.run(main())
    assert "a listener failed in event watcher.web.stop" in caplog.text


def test_a_watcher_is_removed_once() -> None:
    async def main() -> None:
        async with _arbiter() as arbiter:
            watcher = arbiter.get_watcher("web")
            await asyncio.wait_for(arbiter.remove_watcher(watcher), DEADLINE)
            with pytest.raises(UnknownWatcherError, match="web"):
                arbiter.remove_watcher(watcher)

    asyncio.run(main())


@pytest.mark.parametrize("asked", ["before it is closed", "after that"])
def test_the_end_of_a_watcher_may_be_asked_for_until_it_is_closed_and_later(asked: str) -> None:
    """As the end of the arbiter does while a removed watcher goes."""

    async def main() -> None:
        async with _arbiter() as arbiter:
            watcher = arbiter.get_watcher("web")
            await _done(watcher.retire())
            again = watcher.retire() if asked == "before it is closed" else None
            await _done(watcher.close())
            await _done(again or watcher.retire())

    asyncio.run(main())


def test_call_says_why_it_can_not_be_answered() -> None:
    arbiter = _arbiter(background=True)

    async def from_the_loop() -> str:
        with pytest.raises(RuntimeError, match="for other threads") as raised:
            arbiter.call(lambda: asyncio.sleep(0))
        return str(raised.value)

    with arbiter:
        assert "await" in arbiter.call(from_the_loop, timeout=DEADLINE)
    with pytest.raises(RuntimeError, match="does not run"):
        arbiter.call(lambda: asyncio.sleep(0))
    with pytest.raises(CommandError, match="runs once"):
        arbiter.start()
    arbiter.stop()


def test_a_background_arbiter_that_can_not_start_leaves_no_thread() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        arbiter = _arbiter(background=True, sockets=[{"name": "s", "host": "127.0.0.1", "port": port}])
        with pytest.raises(SocketError, match="in use"):
            arbiter.start()
    assert arbiter._thread is not None
    assert not arbiter._thread.is_alive()


def test_a_background_arbiter_can_be_stopped_by_its_own_loop() -> None:
    arbiter = _arbiter(background=True)
    arbiter.start()
    (pid,) = arbiter.call(lambda: _pids_after_start(arbiter), timeout=DEADLINE)

    async def stop() -> None:
        arbiter.stop()

    arbiter.call(stop, timeout=DEADLINE)
    arbiter.stop()
    assert not os.path.exists(f"/proc/{pid}")


async def _pids_after_start(arbiter: EmbeddedArbiter) -> list[int]:
    watcher = arbiter.get_watcher("web")
    await watcher.start()
    return list(watcher.processes)


def test_a_hook_that_outlives_its_cancellation_does_not_answer_for_the_next_one() -> None:
    class Deaf:
        """Its after_start can't be cancelled, its before_stop waits until that has answered."""

        def __init__(self) -> None:
            self.answered = asyncio.Event()
            self.alive_at_the_end: list[bool] = []

        @hookimpl
        async def after_start(self) -> bool:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.answered.set()
            return True

        @hookimpl
        async def before_stop(self, watcher: WatcherView) -> None:
            await self.answered.wait()
            for _ in range(20):  # passes of the loop in which a too early stop signal would be sent
                await asyncio.sleep(0.005)
            self.alive_at_the_end = [p.state.name == "RUNNING" for p in watcher.processes.values()]

    async def main() -> list[bool]:
        arbiter = _arbiter()
        deaf = Deaf()
        arbiter.hooks._manager.register(deaf, "deaf")
        async with arbiter:
            watcher = arbiter.get_watcher("web")
            starting = watcher.start()
            while not any(p.state.name == "RUNNING" for p in watcher.processes.values()):
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.02)
            await asyncio.wait_for(watcher.stop(), DEADLINE)
            await starting
        return deaf.alive_at_the_end

    assert asyncio.run(main()) == [True]


def test_a_start_that_comes_when_after_start_has_just_said_no_has_it_asked_again() -> None:
    class Fickle:
        def __init__(self, start: Callable[[], object]) -> None:
            self.answers = iter([False, True])
            self.start = start

        @hookimpl
        async def after_start(self) -> bool:
            answer = next(self.answers)
            await asyncio.sleep(0.01)  # until that it is asked has been planned for
            if not answer:
                asyncio.get_running_loop().call_soon(self.start)  # before the refusal is planned for
            return answer

    async def main() -> str:
        arbiter = _arbiter()
        async with arbiter:
            watcher = arbiter.get_watcher("web")
            arbiter.hooks._manager.register(Fickle(watcher.start), "fickle")
            await asyncio.wait_for(watcher.start(), DEADLINE)
            return watcher.state.value

    assert asyncio.run(main()) == "active"


class OneNumber:
    """A backend whose processes are nothing but a number, the same for all: it was free again each time."""

    def __init__(self) -> None:
        self.children: list[Numbered] = []

    def spawn(self, request: SpawnRequest, on_exit: ExitCallback | None) -> Child:
        assert on_exit is not None
        self.children.append(Numbered(asyncio.get_running_loop(), on_exit))
        return self.children[-1]

    def reap_orphans(self) -> None: ...

    def close(self) -> None: ...


class Numbered:
    pid = 2**22 + 1  # more than there can be: proc_sys_kernel(5)

    def __init__(self, loop: asyncio.AbstractEventLoop, on_exit: ExitCallback) -> None:
        self._loop = loop
        self._on_exit = on_exit
        self.returncode: int | None = None

    def send_signal(self, signum: int) -> bool:
        self.returncode = -signum
        self._loop.call_soon(self._on_exit, self.returncode)
        return True

    def send_signal_group(self, signum: int) -> bool:
        return False

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        return self.returncode


def test_a_process_that_gets_the_number_of_one_whose_end_is_being_told_is_not_lost() -> None:
    class Slow:
        def __init__(self) -> None:
            self.is_asked, self.go = asyncio.Event(), asyncio.Event()

        @hookimpl
        async def before_reap(self) -> None:
            self.is_asked.set()
            await self.go.wait()

    async def main() -> tuple[list[int], str]:
        arbiter, backend, slow = _arbiter(), OneNumber(), Slow()
        arbiter._backends["local"] = backend
        arbiter.hooks._manager.register(slow, "slow")
        async with arbiter:
            watcher = arbiter.get_watcher("web")
            await asyncio.wait_for(watcher.start(), DEADLINE)
            backend.children[0].send_signal(signal.SIGKILL)
            await asyncio.wait_for(slow.is_asked.wait(), DEADLINE)
            growing = watcher.incr()
            while len(backend.children) < 2:
                await asyncio.sleep(0.005)
            while len([*watcher.processes]) != 1:
                await asyncio.sleep(0.005)
            slow.go.set()
            await asyncio.wait_for(growing, DEADLINE)
            numbers = [process.wid for process in watcher.processes.values()]
            await asyncio.wait_for(watcher.stop(), DEADLINE)
            return numbers, watcher.state.value

    numbers, state = asyncio.run(main())
    assert len(numbers) == 1
    assert state == "stopped"


class Nowhere:
    """A stream that keeps nothing."""

    def __call__(self, data: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


def test_a_watcher_that_is_removed_without_a_stop_starts_nothing_any_more() -> None:
    class Slow:
        def __init__(self) -> None:
            self.is_asked, self.go = asyncio.Event(), asyncio.Event()
            self.spawned: list[int] = []

        @hookimpl
        async def before_spawn(self, wid: int) -> None:
            if wid == 2:
                self.is_asked.set()
                await self.go.wait()

        @hookimpl
        def after_spawn(self, process: ProcessView) -> None:
            self.spawned.append(process.pid)

    async def main() -> list[int]:
        stream = {"class": f"{__name__}.Nowhere"}  # it is read on, so the watcher is not done with
        section = {"name": "web", "cmd": "sleep 1000", "stdout_stream": stream}
        arbiter, slow = get_arbiter([section], with_endpoints=False), Slow()
        arbiter.hooks._manager.register(slow, "slow")
        async with arbiter:
            watcher = arbiter.get_watcher("web")
            watcher.incr()
            await asyncio.wait_for(slow.is_asked.wait(), DEADLINE)
            while not slow.spawned:
                await asyncio.sleep(0.005)
            await arbiter.remove_watcher(watcher, nostop=True)
            slow.go.set()
            for _ in range(20):  # passes of the loop in which it would be spawned
                await asyncio.sleep(0.005)
            for pid in slow.spawned:
                os.kill(pid, signal.SIGKILL)
            while any(os.path.exists(f"/proc/{pid}") for pid in slow.spawned):
                await asyncio.sleep(0.005)
        return slow.spawned

    assert len(asyncio.run(main())) == 1
