"""Folders of services as daemontools invented them: one for each process, with a program `run`.

In each may be a folder `log`, whose program takes the output.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.work import Work

__all__ = ["debian_version", "missing_program", "write_services"]


def write_services(scanned: Path, work: Work, logger: Callable[[Path], tuple[str, ...]]) -> list[Path]:
    """Make a folder for each process below `scanned`, and return the folders.

    Args:
        logger: returns the command line of what takes the output of a process and writes it into a folder.
    """
    command = shlex.join(work.command)
    # None of them runs something once and stays: what comes after it does nothing.
    run = f"exec {command}" if work.is_kept_alive else f"{command}\nexec sleep infinity"
    folders = [scanned / f"worker-{number}" for number in range(work.count)]
    for folder in folders:
        _write_program(folder, run)
        if work.output is not None:
            target = work.output / folder.name
            target.mkdir()
            _write_program(folder / "log", f"exec {shlex.join(logger(target))}")
    return folders


def missing_program(program: str, package: str) -> str | None:
    """Return what to type where a program is missing, None where it is there."""
    return None if shutil.which(program) else f"apt install {package}"


def debian_version(package: str) -> str:
    """Return the version of a package of Debian, "" where it came in another way: programs do not tell."""
    try:
        asked = subprocess.run(
            ["dpkg-query", "--showformat=${Version}", "--show", package],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return asked.stdout


def _write_program(folder: Path, line: str) -> None:
    folder.mkdir()
    run = folder / "run"
    run.write_text(f"#!/bin/sh\n{line}\n")
    run.chmod(0o755)
