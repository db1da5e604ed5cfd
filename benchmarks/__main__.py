"""Measure all contestants in turn, round after round, and print figures and ratios.

Machines are noisy, so only the ratio of figures taken side by side says something.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.contestants import Contestant, contestants, listeners
from benchmarks.flood import answer_under_flood, capture, capture_cpu, cat
from benchmarks.measurements import answers, command_line, idle_cpu, memory, respawn, start
from benchmarks.statistics import statistics_cpu
from benchmarks.top import top_cpu

Measure = Callable[[Contestant], float]

_NAMES = (
    "start",
    "respawn",
    "idle",
    "memory",
    "control",
    "control-99",
    "command-line",
    "output",
    "output-rotated",
    "output-cpu",
    "flood",
    "stats",
    "top",
)

_LINES = 5_000_000  # of 100 bytes
_BLOCK = 4096  # bytes of one write: what stdio does on a pipe
_ROTATED = "stdout_stream.max_bytes = 67108864\nstdout_stream.backup_count = 99"


def main() -> None:
    options = _parser().parse_args()
    everyone = contestants(options.old_circus)
    supervisors = [each for each in everyone if each.is_supervisor]
    asked = listeners(options.old_circus)
    count = options.processes
    plans: dict[str, tuple[str, list[Contestant], Measure]] = {
        "start": (f"start of {count} processes, ms", everyone, lambda c: 1000 * start(c, count)),
        "respawn": ("replacement of one of 20, ms", supervisors, lambda c: 1000 * respawn(c, 20)),
        "idle": (
            f"CPU in 5 idle seconds with {count}, ms",
            supervisors,
            lambda c: 1000 * idle_cpu(c, count, 5),
        ),
        "memory": (f"memory with {count}, MiB", supervisors, lambda c: memory(c, count)),
        "control": ("answer to status, half are quicker, ms", asked, lambda c: 1000 * _quantile(c, 0.5)),
        "control-99": (
            "answer to status, 99 of 100 are quicker, ms",
            asked,
            lambda c: 1000 * _quantile(c, 0.99),
        ),
        "command-line": ("circusctl status, ms", asked, lambda c: 1000 * command_line(c, 2)),
    }
    writers = [Contestant("cat > file", (), is_supervisor=False), *supervisors]
    plans["output"] = (f"capture of one process, {_BLOCK} bytes a write, MB/s", writers, _captured(""))
    plans["output-rotated"] = ("the same with rotation at 64 MB, MB/s", writers, _captured(_ROTATED))
    plans["output-cpu"] = (
        "CPU of the capture, s/GB",
        supervisors,
        lambda c: capture_cpu(c, _LINES if c.name == "circus-core" else _LINES // 10, _BLOCK),
    )
    plans["flood"] = (
        "answer to status while a process floods / while it is silent",
        supervisors,
        lambda c: answer_under_flood(c, is_flooding=True) / answer_under_flood(c, is_flooding=False),
    )
    plans["stats"] = (
        f"CPU of one look at {count} processes by the statistics, ms",
        supervisors,
        lambda c: 1000 * statistics_cpu(c, count),
    )
    plans["top"] = (
        f"CPU of circus-top looking at {count} processes, ms per second",
        supervisors,
        lambda c: 100 * top_cpu(c, count),
    )
    for name in options.only or plans:
        title, who, measure = plans[name]
        _compare(title, who, measure, rounds=options.rounds)


def _captured(stream: str) -> Measure:
    def measure(contestant: Contestant) -> float:
        if not contestant.is_supervisor:
            return cat(_LINES, _BLOCK)
        return capture(
            contestant, _LINES if contestant.name == "circus-core" else _LINES // 10, _BLOCK, stream
        )

    return measure


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=_NAMES)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--processes", type=int, default=100, help="(%(default)s)")
    parser.add_argument(
        "--old-circus", type=Path, metavar="CIRCUSD", help="circusd of Circus 0.19, to compare with"
    )
    return parser


def _quantile(contestant: Contestant, part: float) -> float:
    times = sorted(answers(contestant, 2))
    return times[int(part * len(times))]


def _figure(value: float) -> str:
    return f"{value:10.3f}" if value < 10 else f"{value:10.1f}"


def _compare(title: str, who: list[Contestant], measure: Measure, *, rounds: int) -> None:
    figures: dict[str, list[float]] = {each.name: [] for each in who}
    for _ in range(rounds):
        for each in who:
            figures[each.name].append(measure(each))
    base = figures["circus-core"]
    print(f"\n{title}\n{'':14}{'min':>10}{'median':>10}{'max':>10}   circus-core / this: min median max")
    for name, values in figures.items():
        ratios = [ours / theirs for ours, theirs in zip(base, values, strict=True) if theirs]
        line = f"{name:14}{_figure(min(values))}{_figure(median(values))}{_figure(max(values))}"
        if name != "circus-core" and ratios:
            line += f"   {min(ratios):.3f} {median(ratios):.3f} {max(ratios):.3f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
