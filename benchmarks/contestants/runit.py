"""runit: runsvdir with a runsv for each process, and an svlogd for each log.

It runs 1000 services at most, and waits a second before it starts again what did not live for one.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import Running, started
from benchmarks.contestants.service_folders import debian_version, missing_program, write_services
from benchmarks.work import Work

__all__ = ["RUNIT"]

_MOST = 1000
_BUFFER = 65536  # bytes; svlogd(8) recommends more than its 1024 for much output


@dataclass(frozen=True, slots=True)
class _Runit:
    name: str = "runit"

    def missing(self) -> str | None:
        return missing_program("runsvdir", "runit")

    def version(self) -> str:
        return debian_version("runit")

    @contextmanager
    def running(self, work: Work) -> Iterator[Running]:
        if work.count > _MOST:
            raise ValueError(f"runsvdir runs {_MOST} services at most, not {work.count}")
        with tempfile.TemporaryDirectory() as name:
            services = write_services(Path(name), work, lambda target: _logger(work, target))
            with started(
                ["runsvdir", "-P", name],
                work,
                status_command=("sv", "status", *map(str, services)),
                stop_signal=signal.SIGHUP,
            ) as running:
                yield running


RUNIT = _Runit()


def _logger(work: Work, target: Path) -> tuple[str, ...]:
    (target / "config").write_text(f"s{work.rotate_at or 0}\nn99\n")
    stamps = ("-tt",) if work.has_time_stamps else ()
    return ("svlogd", *stamps, "-b", str(_BUFFER), str(target))
