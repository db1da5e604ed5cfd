"""Signals become calls on the loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from circus_core.cli.signals import SignalWatcher, signal_label


async def _until(came: list[str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(came) < count:
            await asyncio.sleep(0)


def test_callbacks_run_on_the_loop() -> None:
    async def main() -> None:
        came: list[str] = []
        loop = asyncio.get_running_loop()

        def note() -> None:
            assert asyncio.get_running_loop() is loop
            came.append("usr1")

        watcher = SignalWatcher(loop, {signal.SIGUSR1: note, signal.SIGUSR2: lambda: came.append("usr2")})
        os.kill(os.getpid(), signal.SIGUSR1)
        assert came == []
        await _until(came, 1)
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
        await _until(came, 3)
        assert sorted(came) == ["usr1", "usr1", "usr2"]
        watcher.close()

    asyncio.run(main())


def test_a_sleeping_loop_is_woken_by_a_signal_to_another_thread() -> None:
    async def main() -> None:
        came = asyncio.Event()
        watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGUSR1: came.set})
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        assert thread.ident is not None
        signal.pthread_kill(thread.ident, signal.SIGUSR1)
        await asyncio.wait_for(came.wait(), 10)
        stop.set()
        thread.join()
        watcher.close()

    asyncio.run(main())


def test_a_failing_callback_does_not_hold_back_the_others() -> None:
    async def main() -> None:
        came: list[str] = []
        failures: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))

        def fail() -> None:
            raise RuntimeError("in a callback")

        watcher = SignalWatcher(loop, {signal.SIGUSR1: fail, signal.SIGUSR2: lambda: came.append("usr2")})
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        await _until(came, 1)
        assert len(failures) == 1
        watcher.close()

    asyncio.run(main())


def test_close_restores_handlers_and_wakeup_descriptor_and_closes_everything() -> None:
    before = set(os.listdir("/proc/self/fd"))

    def former(signum: int, frame: object) -> None:
        raise AssertionError("not called")

    original = signal.signal(signal.SIGUSR1, former)
    try:

        async def main() -> None:
            wakeup = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(wakeup)
            watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGUSR1: lambda: None})
            assert signal.getsignal(signal.SIGUSR1) is not former
            watcher.close()
            watcher.close()
            assert signal.getsignal(signal.SIGUSR1) is former
            assert signal.set_wakeup_fd(wakeup) == wakeup

        asyncio.run(main())
    finally:
        signal.signal(signal.SIGUSR1, original)
    assert set(os.listdir("/proc/self/fd")) == before


def test_outside_of_the_main_thread_it_is_refused_and_nothing_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    refused: list[str] = []

    async def main() -> None:
        try:
            SignalWatcher(asyncio.get_running_loop(), {})
        except ValueError as error:
            refused.append(str(error))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    assert len(refused) == 1
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("signum", "label"), [(signal.SIGTERM, "SIG_TERM"), (1, "SIG_HUP"), (99, "SIG_99")])
def test_labels_are_those_of_the_log(signum: int, label: str) -> None:
    assert signal_label(signum) == label
