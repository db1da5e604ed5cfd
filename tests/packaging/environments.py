"""What is built and where it is installed."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run `command` and return its standard output; a failure shows all of its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    said = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}"
    return done.stdout


@dataclass(frozen=True)
class Built:
    """What one project was built into."""

    sdist: Path
    wheel: Path  # made from the source distribution
    direct_wheel: Path  # made from the tree


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds what was asked for and nothing else."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def pip(self, *arguments: str | Path) -> str:
        """Run our pip on it; it has none of its own."""
        return run(sys.executable, "-m", "pip", "--isolated", "--python", self.python, *arguments)

    def run(self, command: str, *arguments: str) -> str:
        """Run one of its programs in its folder, where no checkout is near, and return what it printed."""
        return run(self.folder / "bin" / command, *arguments, cwd=self.folder)
