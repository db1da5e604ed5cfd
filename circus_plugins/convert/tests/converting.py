"""What the tests of this package do with a file."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from circus_convert.conversion import Target, convert, write

__all__ = ["checked", "circusctl", "converted"]


def circusctl(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "circus_core.cli.circusctl", *words], capture_output=True, text=True, cwd=cwd
    )


def converted(folder: Path, text: str, name: str = "supervisord.conf", target: Target = "ini") -> str:
    """Return what a file with this text becomes; its folder is called FOLDER."""
    (folder / name).write_text(dedent(text).lstrip("\n"))
    with contextlib.chdir(folder):
        return write(convert(Path(name)), target).replace(str(folder), "FOLDER")


def checked(folder: Path, text: str, name: str = "circus.ini") -> str:
    """Return what `circusd --check` says to a text."""
    (folder / name).write_text(text.replace("FOLDER", str(folder)))
    words = [sys.executable, "-m", "circus_core.cli.circusd", "--check", name]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder).stdout
