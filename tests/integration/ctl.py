"""circusctl of this checkout as a program, whatever is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.controlled import ROOT, kernel_commands

__all__ = ["PROGRAM", "ctl_environment"]

PROGRAM = [sys.executable, "-m", "circus_core.cli.circusctl"]


def ctl_environment(folder: Path, endpoint: str) -> dict[str, str]:
    """Return an environment in which PROGRAM, and `circusctl` in PATH, ask the daemon at `endpoint`."""
    metadata = folder / "installed" / "circus_core-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    lines = [f"{name} = {place}\n" for name, place in kernel_commands().items()]
    (metadata / "entry_points.txt").write_text("[circus.commands]\n" + "".join(lines))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: circus-core\nVersion: 0.1.0\n")
    program = folder / "installed" / "circusctl"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CLICOLOR_FORCE")},
        "PYTHONPATH": os.pathsep.join([str(metadata.parent), str(ROOT)]),
        "PATH": os.pathsep.join([str(metadata.parent), os.environ["PATH"]]),
        "CIRCUSCTL_ENDPOINT": endpoint,
        "XDG_STATE_HOME": str(folder / "state"),
    }
