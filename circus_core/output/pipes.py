"""Child output -> stream, with back-pressure: a pipe is read only while its sink takes what it holds.

    pipe --OutputPipe reads on the loop--> queue of a SinkRunner --one worker thread at a time--> sink
    pipe ----------------------- a sink that takes from pipes, on a worker thread ------------------>

A sink that is slow, stuck or out of disk so holds back the processes that write to it, through their pipes,
and neither the loop nor other processes. Everything here is called on the thread of the loop.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import termios
from array import array
from collections.abc import Callable, Mapping
from typing import Any, Final

from circus_core.clock import Clock, SystemClock
from circus_core.config.overflow import Overflow
from circus_core.errors import SpawnError
from circus_core.output.flood import Flood
from circus_core.output.harvest import Harvest
from circus_core.output.lane import Lane
from circus_core.output.sinks import Sink, SinkRunner, TellTrouble, reason_of
from circus_core.output.tail import Origin, Tail
from circus_core.output.taking import TURN_SIZE, Turn
from circus_core.workers import Workers

__all__ = ["OutputPipe", "Redirector"]

log = logging.getLogger("circus.pipes")

KIB: Final = 1024
READ_SIZE: Final = 64 * KIB  # what a pipe of Linux holds, pipe(7)


class OutputPipe:
    """One output of one process, until the end of file.

    It is read on the loop while its runner has room, or the runner's sink is asked to take from it.
    A descendant that outlives the process and holds the pipe open keeps it attached.
    """

    def __init__(
        self,
        fd: int,
        runner: SinkRunner,
        *,
        loop: asyncio.AbstractEventLoop,
        harvest: Harvest,
        clock: Clock,
        labels: Mapping[str, Any],
        tail: Tail,
        on_close: Callable[[OutputPipe], None],
    ) -> None:
        """Args:
        fd: read end, not blocking; owned from here on.
        harvest: where it rests when it was emptied of a little.
        labels: what every chunk says of its origin: pid, name, watcher, wid.
        tail: keeps the last of what is read.
        on_close: called once, when the descriptor is closed or given away.
        """
        self._fd = fd
        self.runner = runner
        self._loop = loop
        self._harvest = harvest
        self._clock = clock
        self._labels = dict(labels)
        self._tail = tail
        self._origin = Origin(labels["pid"], labels["wid"], labels["name"])
        self._on_close = on_close
        self._is_armed = False
        self._is_held = False
        self._turn: Turn | None = None  # of the sink, under way or waiting
        self._looks_again = False  # what comes while it is under way has to be seen, too
        self._is_misread = False  # the sink failed to take; it gets what is read
        self._flood = Flood()
        self._gap = 0  # bytes dropped and not marked yet
        self._ends_line = True  # what the sink has got does
        self._emptied: asyncio.Future[None] | None = None  # drain() waits for it
        self.watch()

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

    @property
    def is_waiting(self) -> bool:
        """Its sink has no room, or is taking from it just now."""
        return self._is_held or self._turn is not None

    def pending(self) -> int:
        """Return how many bytes wait to be read."""
        count = array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, count)
        return count[0]

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
        if self._turn is not None:
            self._looks_again = True  # it may have found the pipe empty before the last words came
        elif not self._is_held:
            self.move()
        done, _ = await asyncio.wait([emptied], timeout=timeout)
        return bool(done)

    def hand_over(self) -> None:
        """Queue what is there now, even without room for it: the sink is about to be closed."""
        if self.is_closed or not self._leaves_turn():
            return
        self.runner.forget(self)
        self._is_held = False
        if self._lets_sink_take:
            self._begin_turn()
        else:
            self._read_turn(needs_room=False)

    def _leaves_turn(self) -> bool:
        """Have nothing to do with a turn any more; one that is under way may have seen the pipe empty."""
        turn = self._turn
        if turn is not None and not turn.revoke():
            try:
                self._fd = os.dup(self._fd)
            except OSError as error:
                log.error("can't take the last %s of process %d: %s", self.name, self.pid, reason_of(error))
                return False
            turn.close(at_once=False)
        self._turn = None
        return True

    def redirect(self, runner: SinkRunner) -> None:
        """Deliver to another runner what is read from now on."""
        old, self.runner = self.runner, runner
        old.forget(self)
        self._gap = 0
        if self._turn is not None and self._turn.revoke():
            self._turn = None
            self.move()
        elif self._is_held:
            self.resume()

    def resume(self) -> None:
        """Deliver again, or drop; called by the runner that held this pipe back."""
        self._is_held = False
        self.move()

    def mark_gap(self) -> None:
        """Deliver a line that says how much was dropped."""
        if self._gap:
            start = "" if self._ends_line else "\n"
            text = f"{start}{self._gap} bytes dropped\n"
            self._gap, self._ends_line = 0, True
            self.runner.feed({**self._labels, "data": text.encode(), "timestamp": self._clock.wall()})

    def detach(self) -> int:
        """Return the descriptor, or a copy, and forget it; for handing it over to another owner.

        Nothing that came through a pipe to a sink which takes is held in memory. Of other sinks the queue is
        delivered by flush().
        """
        turn = self._turn
        fd = self._let_go()
        self._on_close(self)
        if turn is None or turn.revoke():
            return fd
        try:
            return os.dup(fd)
        finally:
            turn.close()

    def close(self) -> None:
        """Close the descriptor and tell the sink that there is no more; what is unread is lost."""
        if not self.is_closed:
            turn = self._turn
            fd = self._let_go()
            if turn is None:
                os.close(fd)
            else:
                turn.close()
            self._tail.finish(self._origin, self._clock.wall())
            self.mark_gap()
            self.runner.end_of_output(self.pid, self.name)
            self._on_close(self)

    def move(self) -> None:
        """There is something to read; afterwards it is held, closed, in a turn, watched, or at rest."""
        if self._lets_sink_take:
            self._begin_turn()
        else:
            self._read_turn()

    def watch(self) -> None:
        """Have the loop tell when there is something to read."""
        self._harvest.leave(self)
        if not self._is_armed:
            self._is_armed = True
            self._loop.add_reader(self._fd, self.move)

    @property
    def _lets_sink_take(self) -> bool:
        return self.runner.takes_pipes and not self._is_misread

    def _begin_turn(self) -> None:
        self._disarm()
        self._turn = self.runner.take(
            self._fd,
            self._labels,
            keep=self._tail.limit,
            is_flooded=self._flood.is_on and self._emptied is None,
            then=self._turn_is_over,
        )

    def _turn_is_over(self, turn: Turn) -> None:
        if not self.is_closed:
            self._show(turn)
        if turn is not self._turn:
            return  # this pipe was closed, redirected or handed over meanwhile
        self._turn = None
        self._is_misread = turn.has_failed
        if turn.is_over:
            self.close()
            return
        self._flood.note(turn.count, self._loop.time())
        looks_again, self._looks_again = self._looks_again, False
        if not turn.is_empty or looks_again:
            self.move()
        else:
            self._was_emptied(turn.count)

    def _was_emptied(self, count: int) -> None:
        """Look again when more has gathered, or at once if that can't wait."""
        self._tell_emptied()
        if self._flood.is_on:
            self.watch()
        else:
            self._disarm()
            self._harvest.rest(self, count)

    def _show(self, turn: Turn) -> None:
        """Let the tail have the end of what was taken."""
        if turn.count:
            self._tail.skip(self._origin, turn.count - len(turn.last))
        if turn.last:
            self._tail.feed(self._origin, turn.last, self._clock.wall())

    def _read_turn(self, *, needs_room: bool = True) -> None:
        """Move what there is, at most TURN_SIZE; the loop comes back for the rest."""
        count = 0
        while count < TURN_SIZE:
            if needs_room and self.runner.is_full and not self.runner.is_dropping:
                self._hold()
                return
            data = self._read()
            if data is not None and not data:
                self.close()
                return
            if data is not None:
                count += len(data)
                now = self._clock.wall()
                self._tail.feed(self._origin, data, now)
                self._deliver(data, now)
            if data is None or (len(data) < READ_SIZE and self._emptied is None):
                self._flood.note(count, self._loop.time())
                self._was_emptied(count)  # most likely, in the second case; it will be seen when it was not
                return
        self._flood.note(count, self._loop.time())
        self.watch()

    def _deliver(self, data: bytes, now: float) -> None:
        if self.runner.is_dropping:
            self._gap += len(data)
            self.runner.drop(self, len(data))
        else:
            self._ends_line = data.endswith(b"\n")
            self.runner.feed({**self._labels, "data": data, "timestamp": now})

    def _read(self) -> bytes | None:
        """Return a chunk, b"" at the end, None if there is nothing now."""
        try:
            return os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:  # EIO: the other side of a terminal is gone, tty_ioctl(4)
            if error.errno != errno.EIO:
                log.error("can't read the %s of process %d: %s", self.name, self.pid, reason_of(error))
            return b""

    def _hold(self) -> None:
        self._disarm()
        self._is_held = True
        self.runner.hold(self)

    def _let_go(self) -> int:
        self._disarm()
        self._is_held = False
        self._turn = None
        self.runner.forget(self)
        fd, self._fd = self._fd, -1
        self._tell_emptied()
        return fd

    def _tell_emptied(self) -> None:
        emptied, self._emptied = self._emptied, None
        if emptied is not None and not emptied.done():
            emptied.set_result(None)

    def _disarm(self) -> None:
        self._harvest.leave(self)
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
        self._harvest = Harvest(loop)
        self._lane = Lane(loop, workers)
        self._has_warned = False

    @property
    def pipes(self) -> frozenset[OutputPipe]:
        """Those that are attached."""
        return frozenset(self._pipes)

    def make_runner(
        self, sink: Sink, *, label: str, tell: TellTrouble | None = None, overflow: Overflow | None = None
    ) -> SinkRunner:
        """Return a runner for one sink.

        Args:
            label: begins its log messages.
            tell: told of its troubles.
            overflow: what becomes of output that it does not take; None: who writes it is held back.
        """
        return SinkRunner(
            sink,
            loop=self._loop,
            workers=self._workers,
            lane=self._lane,
            label=label,
            tell=tell,
            overflow=overflow or Overflow(),
        )

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
            raise SpawnError(
                f"can't make a pipe for the output: {reason_of(error)}", shortage=True
            ) from error
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
        then: Callable[[OutputPipe], None] | None = None,
    ) -> OutputPipe:
        """Read `fd`, which is owned from now on, and deliver to `runner` until the end of file.

        Args:
            name: "stdout" or "stderr".
            tail: keeps the last of it; None: nothing does.
            then: called at the end of it.

        Raises:
            OSError: the loop can't watch it; it is the caller's still.
        """

        def forget(pipe: OutputPipe) -> None:
            self._pipes.discard(pipe)
            if then is not None:
                then(pipe)

        pipe = OutputPipe(
            fd,
            runner,
            loop=self._loop,
            harvest=self._harvest,
            clock=self._clock,
            labels={"pid": pid, "name": name, "watcher": watcher, "wid": wid},
            tail=tail or Tail.keeping_nothing(),
            on_close=forget,
        )
        self._pipes.add(pipe)
        return pipe

    def redirect(self, old: SinkRunner, new: SinkRunner) -> None:
        """Have all pipes of one runner deliver to another; the old one is not closed by this."""
        for pipe in self.pipes:
            if pipe.runner is old:
                pipe.redirect(new)

    def release(self, runner: SinkRunner) -> None:
        """Close those pipes that wait for a runner which is stuck; what they hold is counted as dropped."""
        for pipe in self.pipes:
            if pipe.runner is runner and pipe.is_waiting:
                runner.dropped_bytes += pipe.pending()
                pipe.close()

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
