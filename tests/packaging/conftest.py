"""Distributions built once, environments made once, for all tests of this folder."""

import os
import shutil
import sys
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environments import Built, Environment, run
from tests.packaging.projects import KERNEL, PROJECTS, Project
from tests.packaging.wheelhouse import installed_closure, repack


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """Every distribution by its name, built in both ways."""
    folder = tmp_path_factory.mktemp("dist")

    def build(project: Project) -> Built:
        through_sdist, direct = folder / project.name / "sdist", folder / project.name / "direct"
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
        run(*command, through_sdist, project.folder)
        run(*command, direct, "--wheel", project.folder)
        (sdist,), (wheel,) = through_sdist.glob("*.tar.gz"), through_sdist.glob("*.whl")
        (direct_wheel,) = direct.glob("*.whl")
        return Built(sdist, wheel, direct_wheel)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip([p.name for p in PROJECTS], pool.map(build, PROJECTS), strict=True))


@pytest.fixture(scope="session")
def wheels(built: dict[str, Built], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of this repository, of all that they need, and of what builds packages."""
    folder = tmp_path_factory.mktemp("wheels")
    for files in built.values():
        shutil.copy(files.wheel, folder)
    extras = KERNEL.metadata["optional-dependencies"].values()
    tools = [*KERNEL.pyproject["build-system"]["requires"], "editables"]
    needed = [Requirement(text) for text in chain(*extras, tools)] + [
        r for p in PROJECTS for r in p.requirements
    ]
    for installed in installed_closure(r for r in needed if r.name not in built):
        repack(installed, folder)
    return folder


@pytest.fixture(scope="session")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """Give an environment with one requirement installed, such as `circus-core[all]`; made once for each."""

    @cache
    def make(requirement: str) -> Environment:
        made = Environment(tmp_path_factory.mktemp("environment"))
        venv.create(made.folder, symlinks=True)
        made.pip("install", "--quiet", "--no-index", "--no-compile", "--find-links", wheels, requirement)
        return made

    return make
