"""Processes of this machine. The driver `local` of `circus.backends`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from circus_core.backends import ExitCallback, SpawnRequest
from circus_core.backends.descendants import MARK_VARIABLE, Mark, become_subreaper
from circus_core.backends.exits import EndedCallback, Exits, PidfdExits, ThreadExits, pidfds_work
from circus_core.backends.gate import Launch, Restriction, apply_restriction, find_setpriv, plan_launch
from circus_core.backends.program import check_working_dir, explain
from circus_core.backends.reaper import PosixChild, Reaper
from circus_core.errors import SpawnError

__all__ = ["PosixBackend"]

logger = logging.getLogger(__name__)


class PosixBackend:
    """Starts processes by vfork, each leader of its own session; learns of exits by pidfds. See `Backend`.

    Each process has CIRCUS_MARK in its environment (`descendants.py`). With `subreaper` its descendants are
    killed wherever they hid before its exit is reported. Without, nothing of the host program is changed and
    only its group is killed; if that group outlived it, what carries its mark is searched once in all of
    /proc. kill_descendants=False leaves everything.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None, subreaper: bool) -> None:
        has_pidfds = pidfds_work()
        if subreaper and not has_pidfds:
            logger.info("this system has no pidfds: descendants are found by their process group only")
        self._setpriv = find_setpriv()
        self._mark = Mark(outer=os.environ.get(MARK_VARIABLE))
        self._serial = 0
        self._reaper = Reaper(
            loop=loop,
            mark=self._mark,
            adopts=subreaper and has_pidfds and _adopt_orphans(),
            make_exits=_pidfd_exits if has_pidfds else _thread_exits,
        )

    def spawn(self, request: SpawnRequest, on_exit: ExitCallback | None) -> PosixChild:
        """Start a process; blocks for a vfork. See `Backend.spawn`.

        Raises:
            SpawnError: nothing was started, or it was killed again, and no exit is reported.
        """
        check_working_dir(request.working_dir)
        launch = plan_launch(request, setpriv=self._setpriv)
        self._serial += 1
        env = {**request.env, MARK_VARIABLE: self._mark.value(request.label, self._serial)}
        if launch.restriction is None:
            child = self._start(request, launch, env)
        else:
            child = self._start_gated(request, launch, env, launch.restriction)
        if on_exit is not None:
            self._report_exit(child, on_exit, launch.program)
        return child

    def check(self, request: SpawnRequest) -> None:
        """Raise SpawnError if a spawn would, because of the program, the user, a limit or the folder."""
        check_working_dir(request.working_dir)
        plan_launch(request, setpriv=self._setpriv)

    def reap_orphans(self) -> None:
        """Collect orphans that died while their owner lives; call it on SIGCHLD, as often as you like."""
        self._reaper.reap_orphans()

    def close(self) -> None:
        """Give back descriptors; running processes are left alone, and nothing is reported any more."""
        self._reaper.close()

    def _report_exit(self, child: PosixChild, on_exit: ExitCallback, program: str) -> None:
        try:
            self._reaper.report_exit(child, on_exit)
        except OSError as error:
            self._reaper.discard(child)
            raise explain(error, program, None) from error

    def _start_gated(
        self, request: SpawnRequest, launch: Launch, env: Mapping[str, str], restriction: Restriction
    ) -> PosixChild:
        try:
            gate, opener = os.pipe()
        except OSError as error:
            raise explain(error, launch.program, None) from error
        try:
            try:
                child = self._start(request, launch, env, stdin=gate)
            finally:
                os.close(gate)
            self._open_gate(child, restriction, opener)
        finally:
            os.close(opener)
        return child

    def _open_gate(self, child: PosixChild, restriction: Restriction, opener: int) -> None:
        try:
            apply_restriction(restriction, child.pid)
        except BaseException:
            child.kill_descendants = False  # it has run nothing
            self._reaper.discard(child)
            raise
        try:
            os.write(opener, b"\n")
        except BrokenPipeError:
            logger.debug("%s: process %d was killed before it ran its command", child.label, child.pid)

    def _start(
        self, request: SpawnRequest, launch: Launch, env: Mapping[str, str], *, stdin: int | None = None
    ) -> PosixChild:
        try:
            process = subprocess.Popen(
                launch.argv,
                executable=launch.executable,
                env=env,
                cwd=None if launch.enters else request.working_dir,
                stdin=request.stdin if stdin is None else stdin,
                stdout=request.stdout,
                stderr=request.stderr,
                pass_fds=launch.pass_fds,
                start_new_session=True,
            )
        except OSError as error:
            raise explain(error, launch.program, request.working_dir) from error
        except ValueError as error:  # a null byte, '=' in the name of a variable
            raise SpawnError(f"cannot start '{launch.program}': {error}") from error
        pid = process.pid
        process.returncode = 0  # so that subprocess forgets it: who waits for it are we
        return self._take_over(pid, request)

    def _take_over(self, pid: int, request: SpawnRequest) -> PosixChild:
        try:
            return self._reaper.add(
                pid, serial=self._serial, label=request.label, kill_descendants=request.kill_descendants
            )
        except OSError as error:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise explain(error, request.argv[0], None) from error


def _adopt_orphans() -> bool:
    if sys.platform != "linux":
        return False
    # Inherited from a parent that ignores it, the kernel would throw the statuses of our children away.
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        become_subreaper()
    except OSError as error:
        logger.warning("orphans can't be adopted, only process groups will be killed: %s", error)
        return os.getpid() == 1
    return True


def _pidfd_exits(loop: asyncio.AbstractEventLoop | None, on_ended: EndedCallback) -> Exits:
    return PidfdExits(loop=loop, on_ended=on_ended)


def _thread_exits(loop: asyncio.AbstractEventLoop | None, on_ended: EndedCallback) -> Exits:
    return ThreadExits(loop=loop, on_ended=on_ended)
