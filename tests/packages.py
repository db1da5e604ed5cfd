"""Installed packages that are not: a module and its metadata in a folder that is put on the import path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Installer", "installer"]


class Installer:
    """Writes modules and metadata into one folder on sys.path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: set[str] = set()

    def module(self, name: str, source: str) -> None:
        (self.folder / f"{name}.py").write_text(source)
        self._modules.add(name)

    def package(
        self, distribution: str, entry_points: str, *, version: str = "0.1.0", more: str = ""
    ) -> None:
        """Make metadata; `entry_points` is the text of entry_points.txt, `more` are lines of METADATA."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{more}"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(entry_points)

    def forget(self) -> None:
        for name in self._modules:
            sys.modules.pop(name, None)


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """What is installed with it is seen during the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    installer = Installer(folder)
    yield installer
    installer.forget()
