"""How fast the output of a process gets into files, and what that costs."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks import proc
from benchmarks.contest import Contest, Entrant, Figure, Goal, entrants
from benchmarks.contestants import Contestant, Running, circus, daemontools, runit, s6, supervisor
from benchmarks.work import Work
from benchmarks.writers import LINE, Writers, count_lines, size_of, wait_until_written

__all__ = ["contests"]

_CAT = "cat"
_REST = 0.5  # seconds; everyone has come to rest
_PEERS: tuple[Contestant, ...] = (supervisor.SUPERVISOR, s6.S6, runit.RUNIT, daemontools.DAEMONTOOLS)
_STAMPING: tuple[Contestant, ...] = (s6.S6, runit.RUNIT, daemontools.DAEMONTOOLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flood:
    """One writer that never waits.

    Attributes:
        lines: how many; Circus 0.19 gets a tenth.
        size: bytes of a write.
    """

    name: str
    lines: int
    size: int = 4096
    rotate_at: int | None = None
    has_time_stamps: bool = False


def contests(*, is_quick: bool) -> Iterator[Contest]:
    """Yield one fast writer (without and with rotation, with time stamps), then fifty slow ones."""
    share = 100 if is_quick else 1
    plain = _Flood(name="capture", lines=5_000_000 // share)
    yield _contest(plain, "", (circus.OURS, circus.OLD, *_PEERS))
    rotated = replace(plain, name="capture-rotated", rotate_at=16_000_000 // share)
    yield _contest(rotated, ", rotated", (circus.OURS,) if is_quick else (circus.OURS, circus.OLD, *_PEERS))
    stamped = replace(plain, name="capture-stamped", lines=2_500_000 // share, has_time_stamps=True)
    peers = _STAMPING if is_quick else (circus.OLD, *_STAMPING)
    yield _contest(stamped, ", time stamps", (circus.OURS, *peers))
    yield (
        _trickle(5, 0.5, (circus.OURS,))
        if is_quick
        else _trickle(50, 5.0, (circus.OURS, circus.OLD, *_PEERS))
    )


def _contest(flood: _Flood, words: str, who: tuple[Contestant, ...]) -> Contest:
    """`words` follow the titles of the figures."""
    cat = Entrant(_CAT, partial(_measure_cat, flood), None, "")
    stamps = flood.has_time_stamps
    fast = tuple(Goal(at_least=3.0, of=each.name) for each in _STAMPING) if stamps else (_share_of_cat(),)
    return Contest(
        flood.name,
        (
            Figure(flood.name, f"output of one writer{words}", "MB/s", fast, is_more_better=True),
            Figure(
                f"{flood.name}-cpu",
                f"CPU for a GB of output{words}",
                "s",
                () if stamps else (Goal(at_most=0.5),),
            ),
            Figure(f"{flood.name}-lost", f"lines lost{words}", "lines", (Goal(at_most=0.0),)),
            Figure(f"{flood.name}-damaged", f"lines damaged{words}", "lines", (Goal(at_most=0.0),)),
        ),
        (*entrants(who, partial(_measure, flood)), cat),
        settings=f"{flood.lines} lines of {LINE} bytes in writes of {flood.size}, for Circus 0.19 a tenth. "
        + (f"Files of {flood.rotate_at} bytes, none removed; cat writes one. " if flood.rotate_at else "")
        + ("A time in front of each line, by cat none. " if stamps else "")
        + "From the word to the writer until it has ended and all is in files; MB of what was written; "
        "`cat` is `writer | cat > file`",
        rounds=3,
    )


def _share_of_cat() -> Goal:
    return Goal(at_least=0.9, of=_CAT)


def _measure(flood: _Flood, contestant: Contestant) -> Mapping[str, float]:
    lines = flood.lines // 10 if contestant is circus.OLD else flood.lines
    with tempfile.TemporaryDirectory() as name:
        output = Path(name, "output")
        output.mkdir()
        writers = Writers(Path(name), lines, flood.size)
        work = Work(
            command=writers.command,
            output=output,
            rotate_at=flood.rotate_at,
            has_time_stamps=flood.has_time_stamps,
            is_kept_alive=False,
        )
        with contestant.running(work) as running:
            (writer,) = writers.wait_for(running, 1)
            time.sleep(_REST)
            os.sync()  # what others have written is not to be written now
            pids = running.own_processes()
            before, begun = proc.cpu_seconds(pids), writers.begin()
            proc.wait_until_gone([writer])
            ended = wait_until_written(running, lines)
            used = proc.cpu_seconds(pids) - before
            found = count_lines(running.written(), has_time_stamps=flood.has_time_stamps)
        return _figures(flood, lines, ended - begun, used, lines - found.intact, found.damaged)


def _measure_cat(flood: _Flood) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as name:
        writers = Writers(Path(name), flood.lines, flood.size)
        with Path(name, "log").open("wb") as log:
            writer = subprocess.Popen(writers.command, stdout=subprocess.PIPE)
            cat = subprocess.Popen(["cat"], stdin=writer.stdout, stdout=log)
            assert writer.stdout is not None
            writer.stdout.close()
            os.sync()
            begun = writers.begin()
            _, _, usage = os.wait4(cat.pid, 0)
            ended = time.perf_counter()
            cat.returncode = 0
            writer.wait()
        found = count_lines([Path(name, "log")], has_time_stamps=False)
        used = usage.ru_utime + usage.ru_stime
        return _figures(flood, flood.lines, ended - begun, used, flood.lines - found.intact, found.damaged)


def _figures(
    flood: _Flood, lines: int, seconds: float, used: float, lost: int, damaged: int
) -> Mapping[str, float]:
    written = lines * LINE
    return {
        flood.name: written / 1e6 / seconds,
        f"{flood.name}-cpu": used / (written / 1e9),
        f"{flood.name}-lost": max(0, lost - damaged),
        f"{flood.name}-damaged": damaged,
    }


def _trickle(count: int, seconds: float, who: tuple[Contestant, ...]) -> Contest:
    rate = 1000
    return Contest(
        "many-writers",
        (
            Figure(
                "many-writers-cpu",
                f"CPU for a million lines of {count} writers",
                "s",
                tuple(Goal(at_most=0.5, of=each.name) for each in who[1:]),
            ),
            Figure("many-writers-switches", f"context switches for a line of {count} writers", "times"),
            Figure("many-writers-rate", f"lines that {count} writers get into files", "lines/s"),
        ),
        entrants(who, partial(_measure_trickle, count, rate, seconds)),
        settings=f"{count} processes of {rate} lines per second, each line a write of {LINE} bytes; "
        f"one watcher with one file, or {count} logs; {seconds:g} seconds while all of them write; "
        "all processes of the supervisor's own side",
        rounds=2,
    )


def _measure_trickle(count: int, rate: int, seconds: float, contestant: Contestant) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as name:
        output = Path(name, "output")
        output.mkdir()
        writers = Writers(Path(name), 1_000_000_000, LINE, rate)
        with contestant.running(Work(command=writers.command, count=count, output=output)) as running:
            writers.wait_for(running, count)
            time.sleep(_REST)
            writers.begin()
            time.sleep(_REST)
            pids = running.own_processes()
            before, begun = _state(running, pids), time.perf_counter()
            time.sleep(seconds)
            after, lasted = _state(running, pids), time.perf_counter() - begun
        written, used, switched = (late - early for early, late in zip(before, after, strict=True))
        lines = written / LINE
        # On a machine that is too busy all is moved late, in large pieces, and so for little.
        assert lines / lasted > 0.9 * count * rate, f"only {lines / lasted:.0f} lines per second were written"
        return {
            "many-writers-cpu": used / (lines / 1e6),
            "many-writers-switches": switched / lines,
            "many-writers-rate": lines / lasted,
        }


def _state(running: Running, pids: list[int]) -> tuple[float, float, float]:
    """Bytes in files, seconds of CPU, context switches."""
    return size_of(running), proc.cpu_seconds(pids), proc.switches(pids)
