"""Threads for calls that may be slow or never return, so that the loop does not wait for them.

All are daemon threads, and nothing ever joins them: a call that hangs must not keep the program alive,
which is what the executors of the standard library would do at exit.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar, TypeVarTuple

from circus_core.errors import BusyError

__all__ = ["Workers"]

log = logging.getLogger("circus.workers")

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")
_Job = Callable[[], None]


class Workers:
    """Threads that are started when there is a call to make and end when there was none for a while.

    One call occupies one thread, however long it takes, and delays no other. Idle threads wait without
    polling.
    """

    def __init__(self, *, limit: int = 1024, idle: float = 10.0) -> None:
        """Args:
        limit: most threads at a time.
        idle: seconds without a call after which a thread ends.
        """
        self._limit = limit
        self._idle_time = idle
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Job | None]] = []  # reused from the end, so that the first ones can go
        self._count = 0
        self._closed = False

    @property
    def count(self) -> int:
        """Threads alive, busy and idle."""
        return self._count

    async def run(self, function: Callable[[*_Args], _T], *args: *_Args, timeout: float | None = None) -> _T:
        """Call `function` on a thread and return what it returns, or raise what it raises.

        Args:
            timeout: seconds to wait; None for as long as it takes. The call itself can't be interrupted: it
                goes on and what comes of it is dropped, as when the waiting task is cancelled.

        Raises:
            TimeoutError: it took longer.
            BusyError: there are as many threads as there may be, or the system gives no more.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[_T] = loop.create_future()

        def job() -> None:
            try:
                result = function(*args)
            except BaseException as error:  # noqa: BLE001  it is raised in the task that waits
                _hand_over(loop, partial(_fail, outcome, _for_a_task(error)))
            else:
                _hand_over(loop, partial(_succeed, outcome, result))

        self._start(job)
        async with asyncio.timeout(timeout):
            return await outcome

    def submit(self, function: Callable[[*_Args], object], *args: *_Args) -> None:
        """Call `function` on a thread and don't wait; what it raises is logged. From any thread.

        Calls run at the same time and in no particular order.

        Raises:
            BusyError: there are as many threads as there may be, or the system gives no more.
        """

        def job() -> None:
            try:
                function(*args)
            except BaseException:
                log.exception("%s failed on a worker thread", _name(function))

        self._start(job)

    def close(self) -> None:
        """Let idle threads end now, busy ones after their call; waits for none. No call is taken any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _start(self, job: _Job) -> None:
        with self._lock:
            if self._closed:
                raise BusyError("the worker threads are closed")
            if self._idle:
                self._idle.pop().put(job)
                return
            if self._count >= self._limit:
                raise BusyError(
                    f"all {self._limit} worker threads are busy: look for hooks or streams that never return"
                )
            self._count += 1
        inbox: SimpleQueue[_Job | None] = SimpleQueue()
        inbox.put(job)
        try:
            threading.Thread(target=self._serve, args=(inbox,), name="circus-worker", daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._count -= 1
            raise BusyError(f"no worker thread can be started: {error}") from error

    def _serve(self, inbox: SimpleQueue[_Job | None]) -> None:
        """What a thread does: calls from its inbox, until it is told to end or has been idle for long."""
        while (job := self._next(inbox)) is not None:
            job()
            del job  # a call's arguments are not kept alive while idle
            with self._lock:
                if self._closed:
                    break
                self._idle.append(inbox)
        with self._lock:
            self._count -= 1

    def _next(self, inbox: SimpleQueue[_Job | None]) -> _Job | None:
        try:
            return inbox.get(timeout=self._idle_time)
        except Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
            return inbox.get()  # a call was put in just when the time was up


def _hand_over(loop: asyncio.AbstractEventLoop, settle: Callable[[], None]) -> None:
    """Call `settle` on the loop, unless that has been closed meanwhile."""
    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        log.debug("a call on a worker thread ended after its loop was closed")


def _succeed(outcome: asyncio.Future[_T], result: _T) -> None:
    if not outcome.done():
        outcome.set_result(result)


def _fail(outcome: asyncio.Future[_T], error: Exception) -> None:
    if not outcome.done():
        outcome.set_exception(error)


def _for_a_task(error: BaseException) -> Exception:
    """Return what fails the waiting task only: SystemExit would end the loop, StopIteration is refused."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__} was raised on a worker thread: {error}")
    wrapped.__cause__ = error
    return wrapped


def _name(function: Callable[..., object]) -> str:
    return str(getattr(function, "__qualname__", function))
