"""Redirector: reads the output of processes that are not those of a watcher."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tornado.ioloop import IOLoop

__all__ = ["Redirector"]

_Redirect = Callable[[Mapping[str, Any]], object]


class Redirector:
    """Calls a stream with each chunk that a process writes. Belongs to the thread of the loop.

    Attributes:
        running: pipes are read.
        pipes: descriptor -> name ("stdout" or "stderr"), process, file.
        redirect: name -> stream.
        buffer: bytes of a chunk at most.
    """

    def __init__(
        self,
        stdout_redirect: _Redirect | None,
        stderr_redirect: _Redirect | None,
        buffer: int = 1024,
        loop: IOLoop | None = None,
    ) -> None:
        """Args:
        stdout_redirect, stderr_redirect: called with `data`, `pid` and `name`; None: that is not read.
        loop: default: the one of this thread.
        """
        self.running = False
        self.pipes: dict[int, tuple[str, Any, Any]] = {}
        self.redirect: dict[str, _Redirect | None] = {"stdout": stdout_redirect, "stderr": stderr_redirect}
        self.buffer = buffer
        self.loop = loop or IOLoop.current()

    def start(self) -> int:
        """Read from now on; returns the number of pipes that were not read before."""
        if self.running:
            return 0
        self.running = True
        for fd in self.pipes:
            self._watch(fd)
        return len(self.pipes)

    def stop(self) -> int:
        """Leave pipes unread; returns the number of those that were read."""
        if not self.running:
            return 0
        self.running = False
        for fd in self.pipes:
            self.loop.remove_handler(fd)
        return len(self.pipes)

    @staticmethod
    def get_process_pipes(process: Any) -> Iterator[tuple[str, Any]]:
        """Yield name and file of each pipe that a process has."""
        for name in ("stdout", "stderr"):
            pipe = getattr(process, name, None)
            if pipe is not None and not pipe.closed:
                yield name, pipe

    def add_redirections(self, process: Any) -> None:
        """Read the pipes of a process."""
        for name, pipe in self.get_process_pipes(process):
            if self.redirect[name] is None:
                continue
            fd = pipe.fileno()
            self.remove_fd(fd)
            self.pipes[fd] = name, process, pipe
            if self.running:
                self._watch(fd)

    def remove_redirections(self, process: Any) -> None:
        """Read the pipes of a process no more."""
        for fd in [fd for fd, (_, owner, _pipe) in self.pipes.items() if owner is process]:
            self.remove_fd(fd)

    def remove_fd(self, fd: int) -> None:
        """Read a pipe no more."""
        if self.pipes.pop(fd, None) is not None and self.running:
            self.loop.remove_handler(fd)

    def change_stream(self, stream_name: str, redirect_writer: _Redirect | None) -> None:
        """Give what comes from `stdout` or `stderr` to another stream; with None these are read no more."""
        self.redirect[stream_name] = redirect_writer
        if redirect_writer is None:
            for fd in [fd for fd, (name, *_) in self.pipes.items() if name == stream_name]:
                self.remove_fd(fd)

    def get_stream(self, stream_name: str) -> _Redirect | None:
        """Return the stream for `stdout` or `stderr`."""
        return self.redirect.get(stream_name)

    def _watch(self, fd: int) -> None:
        self.loop.add_handler(fd, partial(self._read, fd), IOLoop.READ)

    def _read(self, fd: int, _fd: int, _events: int) -> None:
        name, process, _pipe = self.pipes[fd]
        try:
            data = os.read(fd, self.buffer)
        except BlockingIOError:
            return
        if not data:
            self.remove_fd(fd)
            return
        redirect = self.redirect[name]
        if redirect is not None:
            redirect({"data": data, "pid": process.pid, "name": name})
