"""daemontools: svscan with a supervise for each process, and a multilog for each log.

It waits a second before it starts again what did not live for one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import Running, started
from benchmarks.contestants.service_folders import debian_version, missing_program, write_services
from benchmarks.work import Work

__all__ = ["DAEMONTOOLS"]

_LARGEST_FILE = 16777215  # bytes; multilog always rotates


@dataclass(frozen=True, slots=True)
class _Daemontools:
    name: str = "daemontools"

    def missing(self) -> str | None:
        return missing_program("svscan", "daemontools")

    def version(self) -> str:
        return debian_version("daemontools")

    @contextmanager
    def running(self, work: Work) -> Iterator[Running]:
        with tempfile.TemporaryDirectory() as name:
            services = write_services(Path(name), work, lambda target: _logger(work, target))
            logs = services if work.output is not None else []
            with started(
                ["svscan", name],
                work,
                status_command=("svstat", *map(str, services)),
                # The end of svscan is none of what it started.
                stop_command=("svc", "-dx", *map(str, services), *(f"{each}/log" for each in logs)),
            ) as running:
                yield running


DAEMONTOOLS = _Daemontools()


def _logger(work: Work, target: Path) -> tuple[str, ...]:
    stamps = ("t",) if work.has_time_stamps else ()
    return ("multilog", *stamps, f"s{work.rotate_at or _LARGEST_FILE}", "n99", str(target))
