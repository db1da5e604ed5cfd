"""Small programs in C that the measurements run, compiled when they are first needed."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["program"]

_HERE = Path(__file__).parent
_built = tempfile.TemporaryDirectory(prefix="circus-benchmarks-")


@cache
def program(name: str) -> str:
    """Compile benchmarks/programs/NAME.c, linked statically so that it starts quickly, and return its path.

    Raises:
        FileNotFoundError, subprocess.CalledProcessError: there is no cc, or it refuses.
    """
    made = Path(_built.name, name)
    subprocess.run(["cc", "-O2", "-static", "-o", made, _HERE / f"{name}.c"], check=True)
    return str(made)
