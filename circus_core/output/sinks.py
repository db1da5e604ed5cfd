"""Sinks: where output goes. Each is run on worker threads, behind a bounded queue, with its troubles told.

SinkRunner belongs to the thread of the loop; only SinkRunner._run and the sink run elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, Protocol, cast

from circus_core.config.model import StreamConfig
from circus_core.config.overflow import KERNEL_KEYS, Overflow
from circus_core.errors import BusyError, ConfigError, DriverError
from circus_core.events import Event, OutputDropped, OutputHeld, OutputResumed
from circus_core.output.lane import Lane
from circus_core.output.taking import TakingSink, Turn
from circus_core.records import dataclass, field
from circus_core.workers import Workers

__all__ = ["HeldPipe", "Sink", "SinkRunner", "TellTrouble", "build_sink", "reason_of"]

log = logging.getLogger("circus.pipes")

KIB: Final = 1024
QUEUE_LIMIT: Final = 256 * KIB  # bytes that wait for one sink
JOB_COST: Final = 512  # bytes a waiting call takes beside its data; bounds the number of tiny chunks
FIRST_DELAY: Final = 0.1  # seconds until a call that failed with OSError is tried again; doubles ...
LAST_DELAY: Final = 5.0  # ... up to this
SHORT: Final = (
    0.005  # seconds that the calls of a batch may take together, to share a thread with other sinks
)
LONG_CALL: Final = 5.0  # seconds after which a call that has not returned is told of
GIVE_UP_GRACE: Final = 1.0  # seconds for the close of a sink that has just lost its queue
BLOCK: Final = Overflow()
NO_ROOM: Final = "it takes less than is written"


class TellTrouble(Protocol):
    """Makes an event of what happened to a stream, from its class and payload; cheap, never raises."""

    def __call__(self, kind: type[Event], /, **payload: Any) -> None: ...


class Sink(Protocol):
    """Where output goes; any callable that takes one mapping.

    The mapping has `data` (bytes, not aligned on lines or characters), `pid`, `name` ("stdout" or "stderr"),
    `timestamp` (seconds since the epoch), `watcher` and `wid`. One sink serves all processes of a watcher.
    Its calls come in order and never two at a time, but from changing threads; they may block.

    - An OSError means "not taken": the same mapping object is offered again until it is taken, and the
      processes are held back meanwhile.
    - Any other exception loses the chunk.

    A sink with the methods of TakingSink takes the output from the pipe itself; it is called with a mapping
    then only where the bytes are with the daemon already.

    Other optional methods: `open()` before the first chunk of each start of the watcher, `close()` after the
    last (a sink with this and no `open()` is made anew for the next start), `reopen()` when log files shall
    be opened anew, `end_of_output(pid, name)` when a process will write no more.
    """

    def __call__(self, chunk: Mapping[str, Any], /) -> object: ...


def build_sink(config: StreamConfig, load_class: Callable[[str], Any], *, where: str = "stream") -> Sink:
    """Make the sink of a stream configuration.

    Args:
        load_class: finds a class, or any callable that returns a sink, in the namespace `circus.streams`.
        where: begins the messages, such as "watcher 'web': stdout_stream".

    Raises:
        ConfigError: there is no such class, or it refused its options.
    """
    sink = config.stream if config.stream is not None else _construct(config, load_class, where)
    if not callable(sink):
        raise ConfigError(f"{where}: a stream must be callable with one mapping, got {sink!r}")
    return cast(Sink, sink)


def _construct(config: StreamConfig, load_class: Callable[[str], Any], where: str) -> object:
    try:
        made_by = load_class(config.class_name)
    except DriverError as error:
        raise ConfigError(f"{where}: {error}") from error
    try:
        return made_by(**{key: value for key, value in config.options.items() if key not in KERNEL_KEYS})
    except Exception as error:
        raise ConfigError(f"{where}: {config.class_name} refused its options: {error}") from error


class HeldPipe(Protocol):
    """A pipe that is not read while its sink has no room."""

    def resume(self) -> None:
        """There is room again, or nothing to wait for any more."""

    def mark_gap(self) -> None:
        """Output is taken again: say how much of this pipe was dropped."""


@dataclass(slots=True, eq=False)
class _Job:
    """One call of a sink.

    Attributes:
        size: bytes that are lost without it.
        turn: a turn of a sink that takes from a pipe: what it did not take is still there.
        then: called on the loop when that is over, whatever came of it.
    """

    call: Callable[[], object]
    size: int = 0
    turn: Turn | None = None
    then: Callable[[], None] | None = None

    @property
    def is_output(self) -> bool:
        return bool(self.size) or self.turn is not None

    def finish(self) -> None:
        if self.then is not None:
            self.then()

    @property
    def cost(self) -> int:
        return self.size + JOB_COST


@dataclass(slots=True)
class _Outcome:
    """What became of a batch: the first `done` jobs are over, some of them failed, and one may be refused.

    Attributes:
        seconds: what all of it took.
    """

    done: int = 0
    seconds: float = 0.0
    failed: list[tuple[_Job, BaseException]] = field(default_factory=list)
    refused: OSError | None = None


class SinkRunner:
    """Runs one sink on worker threads: one call at a time, in order, behind a bounded queue.

    Attributes:
        dropped_bytes: output that was taken from a pipe and not delivered.
        errors: calls that raised.
        problem: why output is held back now, or dropped; empty when it is not.
        is_dropping: what comes is dropped, until there is room again.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        loop: asyncio.AbstractEventLoop,
        workers: Workers,
        lane: Lane | None = None,
        label: str = "stream",
        limit: int = QUEUE_LIMIT,
        tell: TellTrouble | None = None,
        overflow: Overflow = BLOCK,
        patience: float = LONG_CALL,
    ) -> None:
        """Args:
        lane: where the sink is called as long as its calls are short; None: always on a thread of its own.
        label: begins log messages, such as "watcher 'web': stdout".
        limit: bytes that may wait for the sink before its pipes are left unread.
        tell: told of each trouble once, and of its end.
        overflow: what becomes of output that finds no room.
        patience: seconds after which a call that has not returned is told of.
        """
        self.sink = sink
        self.is_dropping = False
        self.dropped_bytes = 0
        self.errors = 0
        self.problem = ""
        self._loop = loop
        self._workers = workers
        self._lane = lane
        self._is_quick = False  # what it was called with last took it little time
        self._is_called = False  # _work() is
        self._label = label
        self._limit = limit
        self._tell = tell or _tell_nobody
        self._overflow = overflow
        self._patience = patience
        self._can_take = not overflow.drops and callable(getattr(sink, "take", None))
        self._queue: deque[_Job] = deque()
        self._batch: list[_Job] = []  # on a worker now, or waiting for the next try
        self._load = 0  # cost of queue and batch
        self._held: deque[HeldPipe] = deque()  # readable pipes that wait for room
        self._with_gap: set[HeldPipe] = set()  # pipes of which something was dropped since there was no room
        self._is_running = False
        self._is_closed = False
        self._closes = 0  # how often it was closed
        self._waits_for: asyncio.Future[bool] | None = None  # the close of the sink before this one
        self._gives_up = False
        self._retry: asyncio.TimerHandle | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._last_sign = 0.0  # when the sink was last seen to return, on the clock of the loop
        self._dropping: asyncio.TimerHandle | None = None  # dropping begins
        self._delay = FIRST_DELAY
        self._problem_since = 0.0
        self._known_errors: set[type[BaseException]] = set()
        self._waiting_for_idle: list[asyncio.Future[None]] = []

    @property
    def is_full(self) -> bool:
        return self._load >= self._limit and not self._gives_up

    @property
    def takes_pipes(self) -> bool:
        """The sink takes output from pipes itself: take() instead of feed()."""
        return self._can_take and not self._is_closed

    @property
    def is_used_up(self) -> bool:
        """It was closed and has no open(): many sinks written for 0.19 open a file when they are made."""
        can_close, can_open = (callable(getattr(self.sink, name, None)) for name in ("close", "open"))
        return self._is_closed and can_close and not can_open

    @property
    def is_idle(self) -> bool:
        """Everything was delivered."""
        return not (self._queue or self._batch)

    def open(self) -> None:
        """Take output from now on. The sink's open() is the next thing that runs; a failure is retried."""
        if self._gives_up:
            self.problem = ""
        self._is_closed = self._gives_up = False
        self._call_optional("open")

    def follow(self, closing: asyncio.Future[bool]) -> None:
        """Call the sink only when the one before it was closed, or given up: what came first goes first."""
        self._waits_for = closing
        closing.add_done_callback(self._go_on)

    def _go_on(self, _: asyncio.Future[bool]) -> None:
        self._waits_for = None
        self._work()

    def feed(self, chunk: dict[str, Any]) -> None:
        """Queue one chunk. It is up to the caller not to read on while is_full."""
        size = len(chunk["data"])
        if self._is_closed:
            self.dropped_bytes += size
        else:
            self._put(_Job(partial(self.sink, chunk), size))

    def take(
        self,
        fd: int,
        labels: Mapping[str, Any],
        *,
        keep: int,
        is_flooded: bool,
        then: Callable[[Turn], None],
    ) -> Turn:
        """Let the sink take from a pipe for one turn. Only if takes_pipes.

        Args:
            keep: how many of the last bytes are wanted.
            is_flooded: its writer is fast.
            then: called when the turn is over, or was dropped.
        """
        sink = cast(TakingSink, self.sink)
        turn = Turn(sink, fd, labels, keep=keep, is_flooded=is_flooded, is_alone=self._has_one_job)
        self._put(_Job(turn, turn=turn, then=partial(then, turn)))
        return turn

    def drop(self, pipe: HeldPipe, size: int) -> None:
        """Count what was read from a pipe and goes nowhere. Only while is_dropping."""
        self.dropped_bytes += size
        if not self._with_gap:
            self._tell_dropped(size, self.problem or NO_ROOM)
        self._with_gap.add(pipe)

    def end_of_output(self, pid: int, name: str) -> None:
        """Tell the sink that this process will write no more to this output, if it wants to know."""
        if not self._is_closed:
            self._call_optional("end_of_output", pid, name)

    def reopen(self) -> asyncio.Future[None]:
        """Have the sink open its file anew, behind what is queued; done when that has happened."""
        done: asyncio.Future[None] = self._loop.create_future()
        if callable(getattr(self.sink, "reopen", None)):
            self._call_optional("reopen", then=partial(_settle, done))
        elif callable(getattr(self.sink, "open", None)):
            self._call_optional("close")
            self._call_optional("open", then=partial(_settle, done))
        else:
            _settle(done)
        return done

    async def flush(self, *, timeout: float) -> bool:
        """Wait until everything queued was delivered; False if it was not within `timeout` seconds."""
        if self.is_idle:
            return True
        idle: asyncio.Future[None] = self._loop.create_future()
        self._waiting_for_idle.append(idle)
        done, _ = await asyncio.wait([idle], timeout=timeout)
        return bool(done)

    def close(self, *, timeout: float = 5.0) -> Coroutine[Any, Any, bool]:
        """Deliver what is queued, then close the sink, once.

        What comes from pipes that are still attached is dropped and counted, until open(). The close takes
        its place in the queue now, not when the returned coroutine first runs, so that an open() which
        follows at once is not undone.

        Args:
            timeout: seconds; then what the sink does not take is dropped, counted and logged.

        Returns:
            A coroutine to await. It gives False if something was dropped or the sink is stuck in a call,
            unless it was opened again meanwhile.
        """
        if not self._is_closed:
            self._is_closed = True
            self._closes += 1
            self._call_optional("close")
        return self._closed(timeout, self._closes)

    async def _closed(self, timeout: float, number: int) -> bool:
        if self.problem and not self._has_output():
            timeout = 0.0  # it could never be opened, and nothing would be lost
        if await self.flush(timeout=timeout) or self._was_opened_after(number):
            return True  # delivered, or opened again meanwhile: then nothing is given up
        before = self.dropped_bytes
        self._give_up()
        await self.flush(timeout=GIVE_UP_GRACE)
        if self.is_idle and self.dropped_bytes == before:
            return True
        log.error(
            "%s: closed with %d bytes lost and %d in the hands of the stream: %s",
            self._label,
            self.dropped_bytes - before,
            sum(job.size for job in self._batch),
            self.problem or "it did not take them in time",
        )
        if self.dropped_bytes > before:
            self._tell_dropped(self.dropped_bytes - before, self.problem or "it did not take them in time")
        return self._was_opened_after(number)

    def _was_opened_after(self, number: int) -> bool:
        """Tell whether it was opened after it was closed so many times; it may be closed again."""
        return not self._is_closed or self._closes != number

    def _has_output(self) -> bool:
        return any(job.is_output for job in (*self._batch, *self._queue))

    def hold(self, pipe: HeldPipe) -> None:
        """Have `pipe` resumed when there is room, or when its output is to be dropped."""
        self._held.append(pipe)
        if self._overflow.drops and self._dropping is None:
            self._dropping = self._loop.call_later(self._overflow.after, self._begin_dropping)

    def forget(self, pipe: HeldPipe) -> None:
        """Do not resume `pipe`, nor tell it of its gap."""
        if pipe in self._held:
            self._held.remove(pipe)
        self._with_gap.discard(pipe)

    # -- the queue -------------------------------------------------------------------------------

    def _call_optional(self, method: str, *args: object, then: Callable[[], None] | None = None) -> None:
        call = getattr(self.sink, method, None)
        if callable(call):
            self._put(_Job(partial(call, *args), then=then))

    def _put(self, job: _Job) -> None:
        self._queue.append(job)
        self._load += job.cost
        if not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._work)  # so that what comes together makes one batch

    def _work(self) -> None:
        """Send the next batch to a worker, unless one is under way or has to wait for its time."""
        self._is_called = False
        if self._is_running or self._retry is not None or self._waits_for is not None or self.is_idle:
            return
        if not self._batch:
            self._batch = self._next_batch()
        try:
            self._send(tuple(self._batch))
        except BusyError as error:
            self._refused(error)
        else:
            self._is_running = True
            self._last_sign = self._loop.time()
            if self._next_look is None:
                self._next_look = self._loop.call_later(self._patience, self._look_at_worker)

    def _send(self, batch: tuple[_Job, ...]) -> None:
        """Have a worker call the sink; raises BusyError. One that is quick shares its thread with others."""
        if self._is_quick and self._lane is not None:
            self._lane.submit(partial(self._run, batch), self._finished)
        else:
            self._workers.submit(self._run_alone, batch)

    def _has_one_job(self) -> bool:
        """Nothing else waits; also asked by the worker thread."""
        return len(self._batch) <= 1 and not self._queue

    def _next_batch(self) -> list[_Job]:
        """Take up to half of the queue's limit, so that the other half fills while the sink works."""
        batch = [self._queue.popleft()]
        cost = batch[0].cost
        while self._queue and cost + self._queue[0].cost <= self._limit // 2:
            batch.append(self._queue.popleft())
            cost += batch[-1].cost
        return batch

    def _run_alone(self, batch: tuple[_Job, ...]) -> None:
        outcome = self._run(batch)
        try:
            self._loop.call_soon_threadsafe(self._finished, outcome)
        except RuntimeError:
            log.debug("%s: the loop was closed while the stream was working", self._label)

    def _run(self, batch: tuple[_Job, ...]) -> _Outcome:
        """Call the sink; on a worker thread, which alone touches the sink."""
        outcome = _Outcome()
        begun = self._loop.time()
        for job in batch:
            try:
                job.call()
            except OSError as error:
                outcome.refused = error
                break
            except BaseException as error:  # noqa: BLE001  anyone's code, also its SystemExit
                outcome.failed.append((job, error))
            outcome.done += 1
            self._last_sign = self._loop.time()
        outcome.seconds = self._loop.time() - begun
        return outcome

    def _finished(self, outcome: _Outcome) -> None:
        self._is_running = False
        self._is_quick = outcome.seconds < SHORT
        done = self._batch[: outcome.done]
        self._load -= sum(job.cost for job in done)
        del self._batch[: outcome.done]
        for job, error in outcome.failed:
            self._failed(job, error)
        if done:
            self._delay = FIRST_DELAY  # it takes something, so it is worth asking again soon
        if outcome.refused is not None:
            self._refused(outcome.refused)
        for job in done:
            job.finish()
        self._let_in()
        self._work()
        if self.problem and self._retry is None and not self._gives_up:  # nor was the next batch refused
            self._recovered()
        self._tell_if_idle()

    def _let_in(self) -> None:
        """Let held pipes deliver, the one that waits longest first, once the queue is half empty."""
        if self._load >= self._limit // 2 and not self._gives_up:
            return
        self._end_dropping()
        while self._held and not self.is_full:
            self._held.popleft().resume()

    def _tell_if_idle(self) -> None:
        if self.is_idle:
            waiting, self._waiting_for_idle = self._waiting_for_idle, []
            for each in waiting:
                _settle(each)

    # -- trouble ---------------------------------------------------------------------------------

    def _failed(self, job: _Job, error: BaseException) -> None:
        """Count a chunk that the sink did not survive; one log record per kind of error."""
        self.errors += 1
        self.dropped_bytes += job.size
        if job.turn is not None:
            job.turn.has_failed = True
        if type(error) not in self._known_errors:
            self._known_errors.add(type(error))
            log.error(
                "%s: the stream failed (%d bytes lost); further failures of this kind are only counted",
                self._label,
                job.size,
                exc_info=error,
            )
            self._tell_dropped(job.size, f"{type(error).__name__}: {error}")

    def _refused(self, error: OSError | BusyError) -> None:
        """Keep the batch and try again later, later and later."""
        self.errors += 1
        if self._gives_up:
            self._drop_batch()
            return
        self._in_trouble(reason_of(error))
        self._retry = self._loop.call_later(self._delay, self._try_again)
        self._delay = min(self._delay * 2, LAST_DELAY)

    def _in_trouble(self, reason: str) -> None:
        """Tell of a trouble, once."""
        if not self.problem:
            self._problem_since = self._loop.time()
            log.warning("%s: %s; output is held back until this works", self._label, reason)
            self._tell(OutputHeld, reason=reason)
        self.problem = reason

    def _look_at_worker(self) -> None:
        """Tell of a call that does not return; while nothing is called, nothing is looked at."""
        self._next_look = None
        if not self._is_running:
            return
        waited = self._loop.time() - self._last_sign
        if waited < self._patience:
            self._next_look = self._loop.call_later(self._patience - waited, self._look_at_worker)
        elif not self._gives_up:
            self._in_trouble(f"it has not returned from a call for {self._patience:g} s")

    def _begin_dropping(self) -> None:
        """There was no room for long enough: read pipes on, so that nobody waits, and count what is lost."""
        self._dropping = None
        if not self._held:
            return
        self.is_dropping = True
        log.warning("%s: %s; output is dropped until this works", self._label, self.problem or NO_ROOM)
        held, self._held = self._held, deque()
        for pipe in held:
            pipe.resume()

    def _end_dropping(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None
        if self.is_dropping:
            self.is_dropping = False
            log.info(
                "%s: output is taken again, %d bytes were dropped so far", self._label, self.dropped_bytes
            )
            pipes, self._with_gap = self._with_gap, set()
            for pipe in pipes:
                pipe.mark_gap()

    def _try_again(self) -> None:
        self._retry = None
        self._work()

    def _recovered(self) -> None:
        lasted = self._loop.time() - self._problem_since
        log.info("%s: works again after %.1f s (%s)", self._label, lasted, self.problem)
        self._tell(OutputResumed, seconds=round(lasted, 3), reason=self.problem)
        self.problem = ""
        self._delay = FIRST_DELAY

    def _give_up(self) -> None:
        """Drop the output that still waits. What a worker has in hand can't be taken away from it."""
        self._gives_up = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._is_running:
            self._drop_batch()
        waiting, self._queue = self._queue, deque(job for job in self._queue if not job.is_output)
        self._drop([job for job in waiting if job.is_output])
        self._let_in()
        self._work()

    def _tell_dropped(self, lost: int, reason: str) -> None:
        if lost:
            self._tell(OutputDropped, lost_bytes=lost, dropped_bytes=self.dropped_bytes, reason=reason)

    def _drop_batch(self) -> None:
        """Drop the first job, which was refused, and all output; the rest, such as close(), comes next."""
        batch, self._batch = self._batch, []
        others = [job for job in batch[1:] if not job.is_output]
        self._queue.extendleft(reversed(others))
        self._drop([job for job in batch if job not in others])

    def _drop(self, jobs: list[_Job]) -> None:
        self.dropped_bytes += sum(job.size for job in jobs)
        self._load -= sum(job.cost for job in jobs)
        for job in jobs:
            job.finish()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _tell_nobody(kind: type[Event], /, **payload: Any) -> None:
    pass


def reason_of(error: Exception) -> str:
    """Return an error as people write it: "no space left on device: '/var/log/web.log'"."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error) or type(error).__name__
    text = os.strerror(error.errno)
    named = f": {error.filename!r}" if error.filename is not None else ""
    return text[:1].lower() + text[1:] + named
