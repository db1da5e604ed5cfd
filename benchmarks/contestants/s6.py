"""s6: s6-svscan with an s6-supervise for each process, and an s6-log for each log.

It waits a second before it starts again what was killed, and can't be told not to.
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

__all__ = ["S6"]

_LARGEST_FILE = 268435455  # bytes; s6-log always rotates


@dataclass(frozen=True, slots=True)
class _S6:
    name: str = "s6"

    def missing(self) -> str | None:
        return missing_program("s6-svscan", "s6")

    def version(self) -> str:
        return debian_version("s6")

    @contextmanager
    def running(self, work: Work) -> Iterator[Running]:
        with tempfile.TemporaryDirectory() as name:
            scanned = Path(name)
            services = write_services(scanned, work, lambda target: _logger(work, target))
            with started(
                ["s6-svscan", "-c", str(2 * work.count + 500), name],
                work,
                status_command=("s6-svstat", str(services[0])),
            ) as running:
                yield running


S6 = _S6()


def _logger(work: Work, target: Path) -> tuple[str, ...]:
    stamps = ("T",) if work.has_time_stamps else ()
    return ("s6-log", "n99", f"s{work.rotate_at or _LARGEST_FILE}", *stamps, str(target))
