import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from circus_core.errors import BusyError
from circus_core.workers import Workers


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hanging calls wait for."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def workers(release: threading.Event) -> Iterator[Workers]:
    workers = Workers()
    yield workers
    release.set()
    workers.close()
    wait_until(lambda: workers.count == 0)


def test_run_returns_what_the_function_returns(workers: Workers) -> None:
    assert asyncio.run(workers.run(divmod, 7, 2)) == (3, 1)


def test_run_calls_on_another_thread(workers: Workers) -> None:
    assert asyncio.run(workers.run(threading.get_ident)) != threading.get_ident()


def test_run_raises_what_the_function_raises(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(workers.run(divmod, 7, 0))


def test_run_gives_up_after_its_timeout(workers: Workers, release: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(workers.run(release.wait, timeout=0.02))


def test_a_late_result_is_dropped(workers: Workers, release: threading.Event) -> None:
    complaints: list[object] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        with pytest.raises(TimeoutError):
            await workers.run(release.wait, timeout=0.02)
        release.set()
        await workers.run(int)  # another thread; the first may still be busy
        while workers.count != len(workers._idle):
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(scenario(), 20))
    assert complaints == []


def test_a_result_after_the_loop_was_closed_is_dropped(workers: Workers, release: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(workers.run(release.wait, timeout=0.02))
    release.set()
    wait_until(lambda: workers.count == len(workers._idle))


def test_a_call_that_hangs_delays_no_other(workers: Workers, release: threading.Event) -> None:
    async def scenario() -> None:
        hanging = asyncio.create_task(workers.run(release.wait))
        await asyncio.sleep(0)
        assert await workers.run(int) == 0
        assert not hanging.done()
        release.set()
        assert await hanging

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_thread_is_used_again(workers: Workers) -> None:
    async def scenario() -> None:
        for _ in range(50):
            await workers.run(int)
            while not workers._idle:
                await asyncio.sleep(0)

    asyncio.run(scenario())
    assert workers.count == 1


def test_an_idle_thread_ends() -> None:
    workers = Workers(idle=0.01)
    asyncio.run(workers.run(int))
    wait_until(lambda: workers.count == 0)


def test_calls_just_when_idle_threads_end_are_not_lost() -> None:
    workers = Workers(idle=0.0005)

    async def scenario() -> int:
        done = 0
        for _ in range(500):
            done += await workers.run(int, "1")
            await asyncio.sleep(0.0005)
        return done

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == 500
    workers.close()
    wait_until(lambda: workers.count == 0)


def test_more_threads_than_the_limit_are_refused_with_the_reason(release: threading.Event) -> None:
    workers = Workers(limit=2)

    async def scenario() -> None:
        hanging = [asyncio.create_task(workers.run(release.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="all 2 worker threads are busy: look for hooks or streams"):
            await workers.run(int)
        release.set()
        await asyncio.gather(*hanging)

    asyncio.run(asyncio.wait_for(scenario(), 20))
    workers.close()
    wait_until(lambda: workers.count == 0)


def test_a_closed_pool_takes_no_call() -> None:
    workers = Workers()
    workers.close()
    with pytest.raises(BusyError, match="closed"):
        workers.submit(int)


@pytest.mark.parametrize("error", [SystemExit(3), StopIteration(), KeyboardInterrupt()])
def test_what_would_end_the_loop_fails_the_call_only(workers: Workers, error: BaseException) -> None:
    def function() -> None:
        raise error

    with pytest.raises(RuntimeError, match=f"{type(error).__name__} was raised on a worker thread"):
        asyncio.run(workers.run(function))


def test_submit_does_not_wait(workers: Workers, release: threading.Event) -> None:
    seen: list[int] = []
    workers.submit(release.wait)
    workers.submit(seen.append, 1)
    wait_until(lambda: seen == [1])


def test_what_a_submitted_call_raises_is_logged(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    def explode() -> None:
        raise ValueError("boom")

    with caplog.at_level(logging.ERROR):
        workers.submit(explode)
        wait_until(lambda: "explode failed on a worker thread" in caplog.text)
        wait_until(lambda: "boom" in caplog.text)


def test_cancelling_the_waiting_task_leaves_the_call_alone(
    workers: Workers, release: threading.Event
) -> None:
    seen: list[int] = []

    def function() -> None:
        release.wait()
        seen.append(1)

    async def scenario() -> None:
        task = asyncio.create_task(workers.run(function))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    asyncio.run(scenario())
    wait_until(lambda: seen == [1])


def test_a_call_that_never_returns_does_not_keep_the_program_alive() -> None:
    program = """
import asyncio, threading
from circus_core.workers import Workers

async def main():
    try:
        await Workers().run(threading.Event().wait, timeout=0.1)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "given up\n"
    assert done.stderr == ""
