"""The example of README.md prints what it shows."""

from __future__ import annotations

import re
from pathlib import Path

from .converting import circusctl

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_prints_what_it_shows(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    _, source, result = re.split(r"^\$ .*\n", example, flags=re.MULTILINE)
    (tmp_path / "supervisord.conf").write_text(source)
    assert circusctl("convert", "supervisord.conf", cwd=tmp_path).stdout == result
