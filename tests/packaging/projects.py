"""The distributions of this repository, as their folders and `pyproject.toml` files describe them."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Project:
    """One distribution: a folder with a `pyproject.toml`."""

    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The whole file."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def metadata(self) -> dict[str, Any]:
        """The table `[project]`."""
        table: dict[str, Any] = self.pyproject["project"]
        return table

    @property
    def name(self) -> str:
        """The name of the distribution."""
        return str(self.metadata["name"])

    @property
    def extra(self) -> str:
        """The extra of the kernel that installs it."""
        return self.name.removeprefix("circus-")

    @property
    def packages(self) -> list[Path]:
        """The folders of its import packages, mostly one."""
        if (self.folder / "__init__.py").exists():
            return [self.folder]
        names = self.pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        return [self.folder / name for name in names]

    @property
    def package(self) -> Path:
        """The folder of its import package, the first if it has several."""
        return self.packages[0]

    @property
    def requirements(self) -> list[Requirement]:
        """What it depends on."""
        return [Requirement(text) for text in self.metadata["dependencies"]]

    @property
    def entry_points(self) -> dict[str, dict[str, str]]:
        """Group, name, value; without the groups that are empty."""
        groups: dict[str, dict[str, str]] = self.metadata.get("entry-points", {})
        return {group: names for group, names in groups.items() if names}

    def package_files(self) -> Iterator[str]:
        """What is in the trees of its packages, without tests and project files, as a wheel names it."""
        beside = {"README.md", "pyproject.toml", "tests"} if self.package == self.folder else set()
        for package in self.packages:
            for file in package.rglob("*"):
                inside = file.relative_to(package)
                if file.is_file() and inside.parts[0] not in beside and "__pycache__" not in inside.parts:
                    yield f"{package.name}/{inside.as_posix()}"


KERNEL = Project(ROOT)
ADD_ONS = [
    Project(ROOT / "circus_streams"),
    *(Project(file.parent) for file in sorted(ROOT.glob("circus_plugins/*/pyproject.toml"))),
]
PROJECTS = [KERNEL, *ADD_ONS]


def with_dependencies(project: Project) -> set[str]:
    """The names of `project` and of what it needs, as far as they are distributions of this repository."""
    by_name = {other.name: other for other in PROJECTS}
    names = {project.name}
    for requirement in project.requirements:
        if requirement.name in by_name:
            names |= with_dependencies(by_name[requirement.name])
    return names
