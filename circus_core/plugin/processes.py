"""Plugins in processes of their own: the driver of their watchers, which hears whether they live."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from circus_core import events
from circus_core.backends import Backend, Child, ExitCallback, SpawnRequest
from circus_core.clock import Clock
from circus_core.errors import SpawnError
from circus_core.plugin.lifesign import SIGNS_PER_TIMEOUT, Vigil
from circus_core.plugin_watcher import HANG_VARIABLE, LIFE_VARIABLE, READY, watcher_of
from circus_core.records import replace

__all__ = ["PluginProcesses"]

log = logging.getLogger("circus")


class PluginProcesses:
    """A backend that has another one start the processes, each with a pipe for its signs of life.

    Belongs to the loop's thread.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        loop: asyncio.AbstractEventLoop,
        publish: events.Publish,
        clock: Clock,
    ) -> None:
        self._backend = backend
        self._loop = loop
        self._publish = publish
        self._clock = clock
        self._pulses: set[_Pulse] = set()

    def spawn(self, request: SpawnRequest, on_exit: ExitCallback | None) -> Child:
        """Start a plugin; raises SpawnError."""
        timeout = float(request.env.get(HANG_VARIABLE) or 0)
        reading, writing = _pipe()
        try:
            pulse = _Pulse(reading, loop=self._loop)
            self._pulses.add(pulse)
            try:
                child = self._backend.spawn(
                    _with_pipe(request, writing, timeout), self._ending(pulse, on_exit)
                )
            except BaseException:
                self._forget(pulse)
                raise
        finally:
            os.close(writing)
        watcher = watcher_of(request)
        try:
            pulse.begin(
                timeout=timeout,
                on_ready=lambda: self._announce(events.Ready, watcher, child),
                on_silence=lambda silent: self._hung(watcher, child, silent),
            )
        except OSError as error:
            self._forget(pulse)
            _kill(child)
            raise _lacking("wait", error) from error
        return _PluginProcess(child, pulse)

    def reap_orphans(self) -> None:
        """Nothing to do: the other backend is asked, too."""

    def close(self) -> None:
        for pulse in list(self._pulses):
            self._forget(pulse)

    def _ending(self, pulse: _Pulse, on_exit: ExitCallback | None) -> ExitCallback | None:
        if on_exit is None:
            return None
        report = on_exit

        def ended(returncode: int) -> None:
            self._forget(pulse)
            report(returncode)

        return ended

    def _forget(self, pulse: _Pulse) -> None:
        self._pulses.discard(pulse)
        pulse.close()

    def _hung(self, watcher: str, child: Child, silent: float) -> None:
        reason = f"no sign of life for {silent:.1f} s"
        log.error("%s: process %d hangs: %s; it is killed", watcher, child.pid, reason)
        self._announce(events.Hung, watcher, child, silent=silent, reason=reason)
        _kill(child)

    def _announce(self, kind: type[events.Event], watcher: str, child: Child, **payload: object) -> None:
        told: dict[str, object] = {"watcher": watcher, "time": self._clock.wall(), "process_pid": child.pid}
        self._publish(kind(**told, **payload))  # type: ignore[arg-type]  # each kind has these


class _PluginProcess:
    """A `Child` that knows whether the plugin has come up."""

    def __init__(self, child: Child, pulse: _Pulse) -> None:
        self._child = child
        self._pulse = pulse
        self.send_signal = child.send_signal
        self.send_signal_group = child.send_signal_group
        self.poll = child.poll
        self.wait = child.wait

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        return self._child.returncode

    @property
    def has_come_up(self) -> bool:
        return self._pulse.has_come_up


class _Pulse:
    """The reading end of one plugin's pipe."""

    def __init__(self, descriptor: int, *, loop: asyncio.AbstractEventLoop) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._loop = loop
        self.has_come_up = False
        self._vigil: Vigil | None = None
        self._on_ready: Callable[[], object] | None = None

    def begin(
        self, *, timeout: float, on_ready: Callable[[], object], on_silence: Callable[[float], object]
    ) -> None:
        """Listen; a `timeout` of 0 waits for nothing."""
        if self._descriptor is None:
            return  # it has ended already
        self._on_ready = on_ready
        self._loop.add_reader(self._descriptor, self._read, self._descriptor)
        if timeout > 0:
            self._vigil = Vigil(self._loop, timeout=timeout, on_silence=on_silence)

    def close(self) -> None:
        if self._vigil is not None:
            self._vigil.end()
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, descriptor: int) -> None:
        signs = b""
        with suppress(BlockingIOError):
            signs = os.read(descriptor, 4096)
            if not signs:  # it has closed its end, so nothing can be told from its silence
                self.close()
                return
        if self._vigil is not None:
            self._vigil.sign()
        if READY in signs and self._on_ready is not None:
            self.has_come_up = True
            on_ready, self._on_ready = self._on_ready, None
            on_ready()


def _pipe() -> tuple[int, int]:
    try:
        return os.pipe()
    except OSError as error:
        raise _lacking("make a pipe", error) from error


def _lacking(what: str, error: OSError) -> SpawnError:
    reason = (error.strerror or str(error)).lower()
    return SpawnError(f"can't {what} for its signs of life: {reason}", shortage=True)


def _kill(child: Child) -> None:
    child.send_signal_group(signal.SIGKILL)
    child.send_signal(signal.SIGKILL)


def _with_pipe(request: SpawnRequest, descriptor: int, timeout: float) -> SpawnRequest:
    told = f"{descriptor}:{timeout / SIGNS_PER_TIMEOUT:g}"
    env = {key: value for key, value in request.env.items() if key != HANG_VARIABLE}
    return replace(request, env={**env, LIFE_VARIABLE: told}, pass_fds=(*request.pass_fds, descriptor))
