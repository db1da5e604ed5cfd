"""A web server whose workers share a socket: as processes of a watcher, and as children of its own master.

All run the plain (sync) workers of gunicorn on the same application. circusd runs one gunicorn with all
workers, or one with a single worker as each process, at a socket of its configuration. Workers of one
gunicorn share memory, and need less CPU for that: so the second way has a counterpart too, the same
gunicorns with nobody above them.

Linux shares the processor among sessions (sched(7), autogroups), and circusd starts each process in one of
its own: so do the others here, and wrk has its own as well.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.contest import OURS, Contest, Entrant, Figure, Goal
from benchmarks.contestants import circus, started
from benchmarks.work import Work
from circus_core.testing import free_port

__all__ = ["contests"]

_GUNICORN = Path(".venv-peers/gunicorn/bin/gunicorn").absolute()
_PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
_ALONE = "gunicorn"
_EACH = f"{OURS}, one each"
_EACH_ALONE = "gunicorn, one each"
_WORKERS = 4
_CONNECTIONS = 16
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class _Site:
    """Workers that listen at a port.

    Attributes:
        pid: the program that was started, above all others.
        reload: has them replaced, without waiting for the end of that; None: nobody can.
    """

    port: int
    pid: int
    reload: Callable[[], object] | None

    def ask(self) -> int:
        """Return the pid of a worker."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=_PATIENCE) as answer:
            return int(answer.read())

    def wait_for_workers(self, among: frozenset[int] = frozenset()) -> frozenset[int]:
        """Wait until all workers have answered, none of `among` being one of them, and return their pids."""
        deadline = time.monotonic() + _PATIENCE
        pids: set[int] = set()
        while len(pids) < _WORKERS:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {len(pids)} of {_WORKERS} workers have answered")
            try:
                pids.add(self.ask())
            except OSError:
                time.sleep(0.02)  # nobody listens yet
            pids -= among
        return frozenset(pids)


@dataclass(frozen=True, slots=True)
class _Load:
    """What wrk found."""

    requests: float
    seconds: float
    failures: float
    p50: float  # milliseconds
    p99: float


_Server = Callable[[], AbstractContextManager[_Site]]


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one contest: the socket quiet, and while all workers are replaced."""
    quiet, reloading = (1, 4) if is_quick else (8, 10)
    yield Contest(
        "web",
        (
            Figure(
                "web-rate",
                "requests a second",
                "/s",
                _equal(at_least=0.98),
                is_more_better=True,
            ),
            Figure("web-cpu", "CPU of a request", "us", _equal(at_most=1.02)),
            Figure("web-p50", "half of the requests are answered within", "ms"),
            Figure("web-p99", "99 % of the requests are answered within", "ms", _equal(at_most=1.02)),
            Figure("web-reload-failures", "requests that fail while workers are replaced", "", _both(0)),
            Figure(
                "web-reload-slower",
                "p99 meanwhile, in those of the same round without",
                "",
                (Goal(at_most=2.0),),
            ),
        ),
        tuple(_entrants(quiet, reloading)),
        settings=f"{_WORKERS} sync workers of gunicorn, {_CONNECTIONS} connections of wrk for {quiet} s and, "
        f"beginning with the reload, {reloading} s",
        rounds=3,
    )


def _equal(*, at_least: float | None = None, at_most: float | None = None) -> tuple[Goal, ...]:
    pairs = ((OURS, _ALONE), (_EACH, _EACH_ALONE))
    return tuple(Goal(at_least=at_least, at_most=at_most, who=who, of=of) for who, of in pairs)


def _both(at_most: float) -> tuple[Goal, ...]:
    return Goal(at_most=at_most), Goal(at_most=at_most, who=_EACH)


def _entrants(quiet: int, reloading: int) -> Iterator[Entrant]:
    lacking = None if shutil.which("wrk") else "apt install wrk"
    lacking = lacking or (None if _GUNICORN.exists() else "make bench-peers")
    servers: dict[str, tuple[_Server, str | None]] = {
        OURS: (partial(_under, circus.OURS, 1), lacking),
        _ALONE: (_alone, lacking),
        _EACH: (partial(_under, circus.OURS, _WORKERS), lacking),
        f"{circus.OLD.name}, one each": (
            partial(_under, circus.OLD, _WORKERS),
            lacking or circus.OLD.missing(),
        ),
        _EACH_ALONE: (_beside, lacking),
    }
    version = "" if lacking else f"gunicorn {_version()}"
    for name, (server, missing) in servers.items():
        told = version if name.startswith("gunicorn") else ""  # the others have told theirs
        yield Entrant(name, partial(_measure, server, quiet, reloading), missing, told)


def _measure(server: _Server, quiet: int, reloading: int) -> Mapping[str, float]:
    with server() as site:
        workers = site.wait_for_workers()
        _load(site, 1)
        everybody = [site.pid, *proc.descendants(site.pid)]
        spent = -proc.cpu_seconds(everybody)
        calm = _load(site, quiet)
        spent += proc.cpu_seconds(everybody)
        figures = {
            "web-rate": calm.requests / calm.seconds,
            "web-cpu": 1e6 * spent / calm.requests,
            "web-p50": calm.p50,
            "web-p99": calm.p99,
        }
        if site.reload is None:
            return figures
        busy = _load(site, reloading, meanwhile=site.reload)
        site.wait_for_workers(among=workers)
    slower = busy.p99 / calm.p99
    return {**figures, "web-reload-failures": busy.failures, "web-reload-slower": slower}


def _load(site: _Site, seconds: int, meanwhile: Callable[[], object] = lambda: None) -> _Load:
    """Ask as much as is answered."""
    words = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(_PROGRAMS / "report.lua")]
    with subprocess.Popen(
        [*words, f"http://127.0.0.1:{site.port}/"], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as wrk:
        meanwhile()
        printed, _ = wrk.communicate(timeout=seconds + _PATIENCE)
    found = next(line.split()[1:] for line in printed.splitlines() if line.startswith("figures "))
    return _Load(*map(float, found))


@contextmanager
def _under(subject: circus.Circus, processes: int) -> Iterator[_Site]:
    """Run the workers in processes of a watcher."""
    port, control = free_port(), f"tcp://127.0.0.1:{free_port()}"
    command = _gunicorn("fd://$(circus.sockets.web)", _WORKERS // processes)
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder, "circus.ini")
        ini.write_text(
            f"[circus]\nendpoint = {control}\npubsub_endpoint = ipc://{folder}/events\n{subject.options}\n"
            f"[socket:web]\nhost = 127.0.0.1\nport = {port}\n"
            f"[watcher:web]\ncmd = {' '.join(command)}\n"
            f"use_sockets = True\ncopy_env = True\nnumprocesses = {processes}\n"
        )
        environment = {**os.environ, "CIRCUS_KEYS": f"{folder}/keys"}
        reload = [*subject.circusctl, "--endpoint", control, "reload", "web"]
        with started([*subject.circusd, str(ini)], _work(), environment=environment) as running:
            yield _Site(
                port,
                running.process.pid,
                lambda: subprocess.run(reload, env=environment, capture_output=True, check=True),
            )


@contextmanager
def _alone() -> Iterator[_Site]:
    """Run the workers in one gunicorn, which is asked for a reload itself."""
    port = free_port()
    with started(["setsid", *_gunicorn(f"127.0.0.1:{port}", _WORKERS)], _work()) as running:
        yield _Site(port, running.process.pid, lambda: running.process.send_signal(signal.SIGHUP))


@contextmanager
def _beside() -> Iterator[_Site]:
    """Run each worker in a gunicorn of its own, all at one socket; nobody knows how to reload them."""
    port = free_port()
    program = [sys.executable, str(_PROGRAMS / "beside.py"), str(port), str(_WORKERS)]
    with started([*program, *_gunicorn("fd://FD", 1)], _work()) as running:
        yield _Site(port, running.process.pid, None)


def _gunicorn(address: str, workers: int) -> list[str]:
    words = [str(_GUNICORN), "--worker-class", "sync", "--log-level", "error", "--chdir", str(_PROGRAMS)]
    return [*words, "--workers", str(workers), "--bind", address, "hello:application"]


def _work() -> Work:
    return Work(command=(str(_GUNICORN),), count=_WORKERS)


def _version() -> str:
    lines = subprocess.run([_GUNICORN, "--version"], capture_output=True, text=True, check=True).stdout
    return lines.split()[-1].strip("()")
