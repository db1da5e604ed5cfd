"""How often it is looked what is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circus_core.import_path import ImportPath


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only folder on the import path beside one that does not exist."""
    monkeypatch.setattr("sys.path", [str(tmp_path), str(tmp_path / "no")])
    os.utime(tmp_path, (1, 1))
    return tmp_path


def test_looks_without_a_reason_are_counted(folder: Path) -> None:
    path = ImportPath()
    looks = [path.take_look() for _ in range(100)]
    assert looks[:6] == [True] * 6
    assert sum(looks) < 20


def test_a_folder_that_changed_is_a_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ImportPath()
    while path.take_look():
        pass
    (folder / "new").mkdir()
    assert path.take_look()
    (folder / "no").mkdir()
    assert path.take_look()
    monkeypatch.setattr("sys.path", [str(folder)])
    assert path.take_look()
