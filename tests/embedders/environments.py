"""The environments of other people's programs that `make peers` makes, with our packages in them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["ROOT", "Environment"]

ROOT = Path(__file__).parents[2]

_WHOSE_CIRCUS = "import circus, json; print(json.dumps(circus.__file__))"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of `make peers`."""

    name: str

    @property
    def folder(self) -> Path:
        return ROOT / ".venv-peers" / self.name

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    def require(self) -> None:
        """Skip the test where the environment is missing; fail where another Circus is in it."""
        if not (self.folder / ".ours-installed").exists():
            pytest.skip(
                f"there is no {self.folder.relative_to(ROOT)}: run `make peers`, and see what it says"
            )
        asked = [str(self.programs / "python"), "-c", _WHOSE_CIRCUS]
        found = Path(json.loads(subprocess.run(asked, capture_output=True, check=True, cwd="/").stdout))
        assert found.resolve().is_relative_to(ROOT / "circus_plugins" / "compat"), found
