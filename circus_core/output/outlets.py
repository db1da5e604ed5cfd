"""Where the output of one watcher's processes goes: its streams, the pipes to them, and standard input."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol

from circus_core.config.model import StreamConfig, WatcherConfig
from circus_core.config.overflow import MERGED, Overflow
from circus_core.errors import ConfigError, SpawnError
from circus_core.output.pipes import OutputPipe, Redirector
from circus_core.output.sinks import Sink, SinkRunner, TellTrouble, build_sink, reason_of
from circus_core.output.tail import Tail
from circus_core.records import dataclass, field
from circus_core.spawning import StandardStreams

__all__ = ["StreamSource", "WatcherOutput"]

_STANDARD_OUTPUT: Final = 1  # the descriptor
_DRAIN_TIME: Final = 1.0  # seconds that the last words of a process may hold up the report of its exit


class StreamSource(Protocol):
    """Finds the sink for `stream` ("stdout" or "stderr"); None: the configured class."""

    def __call__(self, stream: str, config: StreamConfig | None) -> Sink | None: ...


@dataclass(slots=True)
class Connection:
    """The streams of one process that is being spawned; the write ends go when the spawn is over."""

    streams: StandardStreams
    _ours: dict[str, int]
    _attach: Callable[[dict[str, int], int, int], None]

    def attach(self, pid: int, wid: int) -> None:
        """The process lives: read its pipes from now on. Raises SpawnError: the loop can't watch them."""
        self._attach(self._ours, pid, wid)


@dataclass(slots=True, kw_only=True)
class WatcherOutput:
    """Runs on the loop. Streams are made at the first start: a watcher that never runs opens no file.

    Attributes:
        load_class: finds a class in the namespace `circus.streams`.
        source: asks plugins first.
        tail: keeps the last of all output; it outlives stops, and changes of the streams.
        tell: told of the troubles of streams, with `stream` ("stdout" or "stderr") in the payload.
    """

    config: WatcherConfig
    redirector: Redirector
    load_class: Callable[[str], Any]
    source: StreamSource
    tail: Tail = field(default_factory=Tail.keeping_nothing)
    tell: TellTrouble | None = None
    _runners: dict[str, SinkRunner] = field(default_factory=dict)
    _replaced: list[SinkRunner] = field(default_factory=list)  # processes from before still write to them
    _pipes: dict[int, list[OutputPipe]] = field(default_factory=dict)  # by pid
    _attached: set[OutputPipe] = field(default_factory=set)  # not at their end yet
    _is_abandoned: bool = False
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)
    _is_open: bool = False
    _closing: set[asyncio.Task[bool]] = field(default_factory=set)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Open what one process needs. Raises SpawnError: no such stream, or no descriptor is free."""
        self._open()
        ours: dict[str, int] = {}
        theirs: dict[str, int] = {}
        try:
            for name in self._runners:
                ours[name], theirs[name] = self.redirector.open_pipe()
            yield Connection(self._streams(theirs), ours, self._attach)
        finally:
            for fd in (*theirs.values(), *ours.values()):
                os.close(fd)

    @property
    def dropped_bytes(self) -> int:
        """Output that was taken from processes and not delivered."""
        return sum(runner.dropped_bytes for runner in (*self._runners.values(), *self._replaced))

    @property
    def captured(self) -> frozenset[str]:
        """Which of "stdout" and "stderr" are read; before the first start, which of them have a stream."""
        if self._runners or self._is_open:
            return frozenset(self._runners)
        return frozenset(
            name
            for name, stream, is_closed in _outputs(self.config)
            if stream is not None and not is_closed and not (name == "stderr" and _is_merged(self.config))
        )

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what `describe` says of the streams, by name; the counts go back to the first start."""
        return {
            name: _stream_facts(stream, self._runners.get(name))
            for name, stream, _ in _outputs(self.config)
            if stream is not None or name in self._runners
        }

    async def drain(self, pid: int) -> None:
        """Take what an ended process wrote last; waits at most a second for a stream that takes nothing."""
        pipes = self._pipes.pop(pid, [])
        if pipes:
            await asyncio.gather(*(pipe.drain(timeout=_DRAIN_TIME) for pipe in pipes))

    def rest(self) -> None:
        """The watcher has stopped: deliver what is there and close the streams, until the next start."""
        if self._is_open:
            self._is_open = False
            for pipe in tuple(self._attached):
                pipe.hand_over()
            replaced, self._replaced = self._replaced, []
            for runner in (*self._runners.values(), *replaced):
                self._close_later(runner)

    def _close_later(self, runner: SinkRunner) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self._see_closed(runner, runner.close()))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _see_closed(self, runner: SinkRunner, closing: Coroutine[Any, Any, bool]) -> bool:
        is_done = await closing
        if not is_done:
            self.redirector.release(runner)
        return is_done

    def abandon(self) -> None:
        """Nobody will stop the processes: close the streams when all of them have ended, see wait_over()."""
        self._is_abandoned = True
        self._look_if_over()

    async def wait_over(self) -> None:
        """Wait until there is nothing to read any more; only after abandon()."""
        await self._is_over.wait()

    def _look_if_over(self) -> None:
        if self._is_abandoned and not self._attached:
            self._is_over.set()

    def _detached(self, pipe: OutputPipe) -> None:
        self._attached.discard(pipe)
        self._look_if_over()

    def reopen(self) -> list[asyncio.Future[None]]:
        """Have the streams open their files anew; a watcher that is stopped has none open.

        Returns:
            One for each stream, done when that has happened.
        """
        if not self._is_open:
            return []
        return [runner.reopen() for runner in (*self._runners.values(), *self._replaced)]

    def reconfigure(self, config: WatcherConfig) -> None:
        """Take other stream options; what runs is delivered to the new streams from now on.

        Raises:
            SpawnError: a stream can't be made; the old ones stay.
        """
        self.take(config, self.prepare(config))

    def prepare(self, config: WatcherConfig) -> dict[str, SinkRunner] | None:
        """Make the streams of other options, for take() or discard(); None: the streams do not change.

        Raises:
            SpawnError: a stream can't be made.
        """
        if _outputs(self.config) == _outputs(config):
            return None
        return dict(self._made_runners(config))

    def make(self) -> dict[str, SinkRunner]:
        """Make what the first start would make, to see that it can be; for discard() if that never comes.

        Raises:
            SpawnError: a stream can't be made.
        """
        if not self._runners:
            self._runners = dict(self._made_runners(self.config))
        return self._runners

    def take(self, config: WatcherConfig, streams: dict[str, SinkRunner] | None) -> None:
        """Take other options with the streams that prepare() made for them."""
        self.config = config
        self.tail.resize(config.tail_bytes)
        if streams is not None:
            old, self._runners = self._runners, streams
            if self._is_open:
                self._hand_over(old)

    def discard(self, streams: dict[str, SinkRunner] | None) -> None:
        """Close streams that were prepared in vain."""
        for runner in (streams or {}).values():
            self._close_later(runner)

    def _hand_over(self, old: dict[str, SinkRunner]) -> None:
        for name, runner in self._runners.items():
            runner.open()
            if name in old:
                self._succeed(old[name], runner)
        for name, runner in old.items():
            if name in self._runners:
                self._runners[name].follow(self._close_later(runner))
            elif _is_merged(self.config) and "stdout" in self._runners:
                self.redirector.redirect(runner, self._runners["stdout"])
                self._close_later(runner)
            else:
                self._replaced.append(runner)

    def _succeed(self, old: SinkRunner, runner: SinkRunner) -> None:
        """Have what goes to one runner go to another one, which counts on."""
        self.redirector.redirect(old, runner)
        runner.dropped_bytes += old.dropped_bytes
        runner.errors += old.errors

    async def close(self) -> None:
        """Wait until the streams are closed."""
        self.rest()
        if self._closing:
            await asyncio.gather(*self._closing)

    def _open(self) -> None:
        if self._is_open:
            return
        old = self._runners
        if not old or any(runner.is_used_up for runner in old.values()):
            self._runners = dict(self._made_runners(self.config))
        for name, runner in self._runners.items():
            runner.open()
            if name in old and old[name] is not runner:
                self._succeed(old[name], runner)
        self._is_open = True

    def _made_runners(self, config: WatcherConfig) -> Iterator[tuple[str, SinkRunner]]:
        for name, stream, is_closed in _outputs(config):
            is_without = is_closed or (name == "stderr" and _is_merged(config))
            sink = None if is_without else self._sink(name, stream)
            if sink is not None:
                label = f"watcher {config.name!r}: {name}"
                tell = partial(self.tell, stream=name) if self.tell is not None else None
                overflow = self._overflow(name, stream)
                yield name, self.redirector.make_runner(sink, label=label, tell=tell, overflow=overflow)

    def _overflow(self, name: str, stream: StreamConfig | None) -> Overflow:
        try:
            return Overflow.of(stream.options if stream is not None else {})
        except ValueError as error:
            raise SpawnError(f"watcher {self.config.name!r}: {name}_stream.{error}") from error

    def _sink(self, name: str, stream: StreamConfig | None) -> Sink | None:
        chosen = self.source(name, stream)
        if chosen is not None or stream is None:
            return chosen
        try:
            return build_sink(stream, self.load_class, where=f"watcher {self.config.name!r}: {name}_stream")
        except ConfigError as error:
            raise SpawnError(str(error)) from error

    def _streams(self, theirs: dict[str, int]) -> StandardStreams:
        return StandardStreams(
            stdin=subprocess.DEVNULL if self.config.close_child_stdin else None,
            stdout=self._stdout(theirs),
            stderr=self._stderr(theirs),
        )

    def _stdout(self, theirs: dict[str, int]) -> int | None:
        return subprocess.DEVNULL if self.config.close_child_stdout else theirs.get("stdout")

    def _stderr(self, theirs: dict[str, int]) -> int | None:
        if self.config.close_child_stderr:
            return subprocess.DEVNULL
        if _is_merged(self.config):
            stdout = self._stdout(theirs)
            return _STANDARD_OUTPUT if stdout is None else stdout
        return theirs.get("stderr")

    def _attach(self, ours: dict[str, int], pid: int, wid: int) -> None:
        """Take the descriptors out of `ours` that are read from now on; none if one of them can't be."""
        pipes: list[OutputPipe] = []
        try:
            for name in tuple(ours):
                pipe = self._attached_pipe(ours[name], name, pid, wid)
                del ours[name]
                pipes.append(pipe)
        except OSError as error:
            for pipe in pipes:
                pipe.close()
            raise SpawnError(f"can't wait for its output: {reason_of(error)}", shortage=True) from error
        self._pipes[pid] = pipes
        self._attached.update(pipes)

    def _attached_pipe(self, fd: int, name: str, pid: int, wid: int) -> OutputPipe:
        return self.redirector.attach(
            fd,
            self._runners[name],
            pid=pid,
            name=name,
            watcher=self.config.name,
            wid=wid,
            tail=self.tail,
            then=self._detached,
        )


def _stream_facts(stream: StreamConfig | None, runner: SinkRunner | None) -> dict[str, Any]:
    """`runner` is None before the first start."""
    if stream is not None and stream.stream is None:
        class_name = stream.class_name
    else:
        sink = runner.sink if runner is not None else stream and stream.stream
        class_name = type(sink).__qualname__
    return {
        "class": class_name,
        "options": dict(stream.options) if stream is not None else {},
        "dropped_bytes": runner.dropped_bytes if runner is not None else 0,
        "errors": runner.errors if runner is not None else 0,
        "problem": runner.problem if runner is not None else "",
    }


def _is_merged(config: WatcherConfig) -> bool:
    """Both outputs go through one pipe."""
    stderr = config.stderr_stream
    return stderr is not None and stderr.stream is None and stderr.class_name == MERGED


def _outputs(config: WatcherConfig) -> tuple[tuple[str, StreamConfig | None, bool], ...]:
    """Name, stream, and whether the process gets none."""
    return (
        ("stdout", config.stdout_stream, config.close_child_stdout),
        ("stderr", config.stderr_stream, config.close_child_stderr),
    )
