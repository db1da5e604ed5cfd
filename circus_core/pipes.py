"""Child output -> stream: pipes are read on the loop, streams run on worker threads, back-pressure between.

    pipe --OutputPipe--> queue of a SinkRunner --one worker thread at a time--> sink

A pipe is read only while the queue of its sink has room. A sink that is slow, stuck or out of disk so holds
back the processes that write to it, through their pipes, and neither the loop nor other processes.
Everything here is called on the thread of the loop; only SinkRunner._run and the sink run elsewhere.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, cast

from circus_core.clock import Clock, SystemClock
from circus_core.config.model import StreamConfig
from circus_core.errors import BusyError, ConfigError, DriverError, SpawnError
from circus_core.events import Event, OutputDropped, OutputHeld, OutputResumed
from circus_core.tail import Origin, Tail
from circus_core.workers import Workers

__all__ = ["OutputPipe", "Redirector", "Sink", "SinkRunner", "TellTrouble", "build_sink"]

log = logging.getLogger("circus.pipes")

KIB: Final = 1024
READ_SIZE: Final = 64 * KIB  # what a pipe of Linux holds, pipe(7)
TURN_SIZE: Final = 256 * KIB  # most bytes of one pipe before others get their turn
QUEUE_LIMIT: Final = 256 * KIB  # bytes that wait for one sink
JOB_COST: Final = 512  # bytes a waiting call takes beside its data; bounds the number of tiny chunks
FIRST_DELAY: Final = 0.1  # seconds until a call that failed with OSError is tried again; doubles ...
LAST_DELAY: Final = 5.0  # ... up to this
GIVE_UP_GRACE: Final = 1.0  # seconds for the close of a sink that has just lost its queue


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

    Optional methods: `open()` before the first chunk of each start of the watcher, `close()` after the last,
    `reopen()` when log files shall be opened anew, `end_of_output(pid, name)` when a process will write no
    more.
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
        return made_by(**config.options)
    except Exception as error:
        raise ConfigError(f"{where}: {config.class_name} refused its options: {error}") from error


@dataclass(slots=True, eq=False)
class _Job:
    """One call of a sink; `size` is the number of bytes that are lost without it."""

    call: Callable[[], object]
    size: int = 0

    @property
    def cost(self) -> int:
        return self.size + JOB_COST


@dataclass(slots=True)
class _Outcome:
    """What became of a batch: the first `done` jobs are over, some of them failed, and one may be refused."""

    done: int = 0
    failed: list[tuple[_Job, BaseException]] = field(default_factory=list)
    refused: OSError | None = None


class SinkRunner:
    """Runs one sink on worker threads: one call at a time, in order, behind a bounded queue.

    Attributes:
        dropped_bytes: output that was taken from a pipe and not delivered.
        errors: calls that raised.
        problem: why output is held back now; empty when it is not.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        loop: asyncio.AbstractEventLoop,
        workers: Workers,
        label: str = "stream",
        limit: int = QUEUE_LIMIT,
        tell: TellTrouble | None = None,
    ) -> None:
        """Args:
        label: begins log messages, such as "watcher 'web': stdout".
        limit: bytes that may wait for the sink before its pipes are left unread.
        tell: told of each trouble once, and of its end.
        """
        self.sink = sink
        self.dropped_bytes = 0
        self.errors = 0
        self.problem = ""
        self._loop = loop
        self._workers = workers
        self._label = label
        self._limit = limit
        self._tell = tell or _tell_nobody
        self._queue: deque[_Job] = deque()
        self._batch: list[_Job] = []  # on a worker now, or waiting for the next try
        self._load = 0  # cost of queue and batch
        self._held: deque[OutputPipe] = deque()  # readable pipes that wait for room
        self._is_running = False
        self._is_closed = False
        self._gives_up = False
        self._retry: asyncio.TimerHandle | None = None
        self._delay = FIRST_DELAY
        self._problem_since = 0.0
        self._known_errors: set[type[BaseException]] = set()
        self._waiting_for_idle: list[asyncio.Future[None]] = []

    @property
    def is_full(self) -> bool:
        return self._load >= self._limit

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

    def feed(self, chunk: dict[str, Any]) -> None:
        """Queue one chunk. It is up to the caller not to read on while is_full."""
        size = len(chunk["data"])
        if self._is_closed:
            self.dropped_bytes += size
        else:
            self._put(_Job(partial(self.sink, chunk), size))

    def end_of_output(self, pid: int, name: str) -> None:
        """Tell the sink that this process will write no more to this output, if it wants to know."""
        if not self._is_closed:
            self._call_optional("end_of_output", pid, name)

    def reopen(self) -> None:
        """Have the sink open its file anew, behind what is queued."""
        if callable(getattr(self.sink, "reopen", None)):
            self._call_optional("reopen")
        elif callable(getattr(self.sink, "open", None)):
            self._call_optional("close")
            self._call_optional("open")

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
            A coroutine to await. It gives False if something was dropped or the sink is stuck in a call.
        """
        if not self._is_closed:
            self._is_closed = True
            self._call_optional("close")
        return self._closed(timeout)

    async def _closed(self, timeout: float) -> bool:
        if self.problem and not self._has_output():
            timeout = 0.0  # it could never be opened, and nothing would be lost
        if await self.flush(timeout=timeout) or not self._is_closed:
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
        return False

    def _has_output(self) -> bool:
        return any(job.size for job in (*self._batch, *self._queue))

    def hold(self, pipe: OutputPipe) -> None:
        """Have `pipe` resumed when there is room."""
        self._held.append(pipe)

    def forget(self, pipe: OutputPipe) -> None:
        """Do not resume `pipe`."""
        self._held.remove(pipe)

    # -- the queue -------------------------------------------------------------------------------

    def _call_optional(self, method: str, *args: object) -> None:
        call = getattr(self.sink, method, None)
        if callable(call):
            self._put(_Job(partial(call, *args)))

    def _put(self, job: _Job) -> None:
        self._queue.append(job)
        self._load += job.cost
        self._work()

    def _work(self) -> None:
        """Send the next batch to a worker, unless one is under way or a failed one waits for its time."""
        if self._is_running or self._retry is not None or self.is_idle:
            return
        if not self._batch:
            self._batch = self._next_batch()
        try:
            self._workers.submit(self._run, tuple(self._batch))
        except BusyError as error:
            self._refused(error)
        else:
            self._is_running = True

    def _next_batch(self) -> list[_Job]:
        """Take up to half of the queue's limit, so that the other half fills while the sink works."""
        batch = [self._queue.popleft()]
        cost = batch[0].cost
        while self._queue and cost + self._queue[0].cost <= self._limit // 2:
            batch.append(self._queue.popleft())
            cost += batch[-1].cost
        return batch

    def _run(self, batch: tuple[_Job, ...]) -> None:
        """Call the sink; on a worker thread, which alone touches the sink."""
        outcome = _Outcome()
        for job in batch:
            try:
                job.call()
            except OSError as error:
                outcome.refused = error
                break
            except BaseException as error:  # noqa: BLE001  anyone's code, also its SystemExit
                outcome.failed.append((job, error))
            outcome.done += 1
        try:
            self._loop.call_soon_threadsafe(self._finished, outcome)
        except RuntimeError:
            log.debug("%s: the loop was closed while the stream was working", self._label)

    def _finished(self, outcome: _Outcome) -> None:
        self._is_running = False
        self._load -= sum(job.cost for job in self._batch[: outcome.done])
        del self._batch[: outcome.done]
        for job, error in outcome.failed:
            self._failed(job, error)
        if outcome.refused is not None:
            self._refused(outcome.refused)
        self._let_in()
        self._work()
        if self.problem and self._retry is None and not self._gives_up:  # nor was the next batch refused
            self._recovered()
        self._tell_if_idle()

    def _let_in(self) -> None:
        """Let held pipes deliver, the one that waits longest first, once the queue is half empty."""
        if self._load < self._limit // 2:
            while self._held and not self.is_full:
                self._held.popleft().resume()

    def _tell_if_idle(self) -> None:
        if self.is_idle:
            waiting, self._waiting_for_idle = self._waiting_for_idle, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    # -- trouble ---------------------------------------------------------------------------------

    def _failed(self, job: _Job, error: BaseException) -> None:
        """Count a chunk that the sink did not survive; one log record per kind of error."""
        self.errors += 1
        self.dropped_bytes += job.size
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
        if not self.problem:
            self._problem_since = self._loop.time()
            log.warning("%s: %s; output is held back until this works", self._label, _reason(error))
            self._tell(OutputHeld, reason=_reason(error))
        self.problem = _reason(error)
        self._retry = self._loop.call_later(self._delay, self._try_again)
        self._delay = min(self._delay * 2, LAST_DELAY)

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
        kept = [job for job in self._queue if not job.size]
        self._drop([job for job in self._queue if job.size])
        self._queue = deque(kept)
        self._let_in()
        self._work()

    def _tell_dropped(self, lost: int, reason: str) -> None:
        if lost:
            self._tell(OutputDropped, lost_bytes=lost, dropped_bytes=self.dropped_bytes, reason=reason)

    def _drop_batch(self) -> None:
        self._drop(self._batch)
        self._batch = []

    def _drop(self, jobs: list[_Job]) -> None:
        self.dropped_bytes += sum(job.size for job in jobs)
        self._load -= sum(job.cost for job in jobs)


class OutputPipe:
    """One output of one process; reads it on the loop while its runner has room, until the end of file.

    A descendant that outlives the process and holds the pipe open keeps it attached.
    """

    def __init__(
        self,
        fd: int,
        runner: SinkRunner,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        labels: Mapping[str, Any],
        tail: Tail,
        on_close: Callable[[OutputPipe], None],
    ) -> None:
        """Args:
        fd: read end, not blocking; owned from here on.
        labels: what every chunk says of its origin: pid, name, watcher, wid.
        tail: keeps the last of what is read.
        on_close: called once, when the descriptor is closed or given away.
        """
        self._fd = fd
        self.runner = runner
        self._loop = loop
        self._clock = clock
        self._labels = dict(labels)
        self._tail = tail
        self._origin = Origin(labels["pid"], labels["wid"], labels["name"])
        self._on_close = on_close
        self._is_armed = False
        self._is_held = False
        self._emptied: asyncio.Future[None] | None = None  # drain() waits for it
        self._arm()

    @property
    def pid(self) -> int:
        return int(self._labels["pid"])

    @property
    def name(self) -> str:
        return str(self._labels["name"])

    @property
    def is_closed(self) -> bool:
        """The end of the output was reached, or the descriptor was closed or given away."""
        return self._fd < 0

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return self._fd

    async def drain(self, *, timeout: float) -> bool:
        """Read on until the pipe is empty, handing all of it to the runner, as fast as that takes it.

        Returns:
            False if there was still something to read after `timeout` seconds.
        """
        if self.is_closed:
            return True
        if self._emptied is None:
            self._emptied = self._loop.create_future()
        emptied = self._emptied
        if not self._is_held:
            self._read_turn()
        done, _ = await asyncio.wait([emptied], timeout=timeout)
        return bool(done)

    def redirect(self, runner: SinkRunner) -> None:
        """Deliver to another runner what is read from now on."""
        old, self.runner = self.runner, runner
        if self._is_held:
            old.forget(self)
            self.resume()

    def resume(self) -> None:
        """Deliver again; called by the runner that held this pipe back."""
        self._is_held = False
        self._read_turn()
        if not self.is_closed and not self._is_held:
            self._arm()

    def detach(self) -> int:
        """Return the descriptor and forget it; for handing it over to another owner."""
        fd = self._let_go()
        self._on_close(self)
        return fd

    def close(self) -> None:
        """Close the descriptor and tell the sink that there is no more; what is unread is lost."""
        if not self.is_closed:
            os.close(self._let_go())
            self._tail.finish(self._origin, self._clock.wall())
            self.runner.end_of_output(self.pid, self.name)
            self._on_close(self)

    def _read_turn(self) -> None:
        """Move what there is, at most TURN_SIZE; the loop comes back for the rest."""
        for _ in range(TURN_SIZE // READ_SIZE):
            if self.runner.is_full:
                self._hold()
                return
            data = self._read()
            if data is None:
                self._tell_emptied()
                return
            if not data:
                self.close()
                return
            now = self._clock.wall()
            self._tail.feed(self._origin, data, now)
            self.runner.feed({**self._labels, "data": data, "timestamp": now})
            if len(data) < READ_SIZE and self._emptied is None:
                return  # most likely empty now; the loop will tell when there is more

    def _read(self) -> bytes | None:
        """Return a chunk, b"" at the end, None if there is nothing now."""
        try:
            return os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:  # EIO: the other side of a terminal is gone, tty_ioctl(4)
            if error.errno != errno.EIO:
                log.error("can't read the %s of process %d: %s", self.name, self.pid, _reason(error))
            return b""

    def _hold(self) -> None:
        self._disarm()
        self._is_held = True
        self.runner.hold(self)

    def _let_go(self) -> int:
        self._disarm()
        if self._is_held:
            self._is_held = False
            self.runner.forget(self)
        fd, self._fd = self._fd, -1
        self._tell_emptied()
        return fd

    def _tell_emptied(self) -> None:
        emptied, self._emptied = self._emptied, None
        if emptied is not None and not emptied.done():
            emptied.set_result(None)

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            self._loop.add_reader(self._fd, self._read_turn)

    def _disarm(self) -> None:
        if self._is_armed:
            self._is_armed = False
            self._loop.remove_reader(self._fd)


class Redirector:
    """Makes, attaches and keeps the output pipes of one arbiter."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, workers: Workers, *, clock: Clock | None = None
    ) -> None:
        self._loop = loop
        self._workers = workers
        self._clock = clock or SystemClock()
        self._pipes: set[OutputPipe] = set()
        self._has_warned = False

    @property
    def pipes(self) -> frozenset[OutputPipe]:
        """Those that are attached."""
        return frozenset(self._pipes)

    def make_runner(self, sink: Sink, *, label: str, tell: TellTrouble | None = None) -> SinkRunner:
        """Return a runner for one sink.

        Args:
            label: begins its log messages.
            tell: told of its troubles.
        """
        return SinkRunner(sink, loop=self._loop, workers=self._workers, label=label, tell=tell)

    def open_pipe(self) -> tuple[int, int]:
        """Return a read end that does not block and a write end for the child; neither is inheritable.

        The caller owns both until attach(): it closes the write end once the child has it, and both if there
        will be no child.

        Raises:
            SpawnError: no descriptor is free.
        """
        try:
            ours, theirs = os.pipe()
        except OSError as error:
            raise SpawnError(f"can't make a pipe for the output: {_reason(error)}", shortage=True) from error
        os.set_blocking(ours, False)
        self._warn_if_small(ours)
        return ours, theirs

    def attach(
        self,
        fd: int,
        runner: SinkRunner,
        *,
        pid: int,
        name: str,
        watcher: str,
        wid: int,
        tail: Tail | None = None,
    ) -> OutputPipe:
        """Read `fd`, which is owned from now on, and deliver to `runner` until the end of file.

        Args:
            name: "stdout" or "stderr".
            tail: keeps the last of it; None: nothing does.
        """
        pipe = OutputPipe(
            fd,
            runner,
            loop=self._loop,
            clock=self._clock,
            labels={"pid": pid, "name": name, "watcher": watcher, "wid": wid},
            tail=tail or Tail.keeping_nothing(),
            on_close=self._pipes.discard,
        )
        self._pipes.add(pipe)
        return pipe

    def redirect(self, old: SinkRunner, new: SinkRunner) -> None:
        """Have all pipes of one runner deliver to another; the old one is not closed by this."""
        for pipe in self.pipes:
            if pipe.runner is old:
                pipe.redirect(new)

    async def close(self, *, timeout: float = 5.0) -> None:
        """Drain all pipes, at most `timeout` seconds, and close them; the runners stay open."""
        pipes = self.pipes
        await asyncio.gather(*(pipe.drain(timeout=timeout) for pipe in pipes))
        for pipe in pipes:
            pipe.close()

    def _warn_if_small(self, fd: int) -> None:
        """Say once that the pipe budget of this user is used up: writes then block early, pipe(7)."""
        if self._has_warned or not hasattr(fcntl, "F_GETPIPE_SZ"):
            return
        size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        if size < READ_SIZE:
            self._has_warned = True
            log.warning(
                "new output pipes hold only %d bytes: this user has too many; "
                "raise /proc/sys/fs/pipe-user-pages-soft",
                size,
            )


def _tell_nobody(kind: type[Event], /, **payload: Any) -> None:
    pass


def _reason(error: Exception) -> str:
    """Return an error as people write it: "no space left on device: '/var/log/web.log'"."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error) or type(error).__name__
    text = os.strerror(error.errno)
    named = f": {error.filename!r}" if error.filename is not None else ""
    return text[:1].lower() + text[1:] + named
