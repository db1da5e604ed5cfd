"""The package of old import paths, built as the distribution that old programs require."""

from __future__ import annotations

import json
import shutil
import sys
import venv
from pathlib import Path

import pytest

from tests.packaging.environments import Environment, run
from tests.packaging.projects import KERNEL, PROJECTS, ROOT

pytestmark = pytest.mark.packaging

PROGRAMS = """
import collections, importlib.metadata, json
names = collections.Counter(
    (point.group, point.name)
    for distribution in importlib.metadata.distributions()
    for point in distribution.entry_points
    if (point.name if point.group == "console_scripts" else point.group).startswith("circus")
)
print(json.dumps([[*name, count] for name, count in names.items()]))
"""

USE = """
import importlib.metadata, warnings
warnings.simplefilter("error")
import circus, circus.client, circus.plugins, circus.stream
assert importlib.metadata.version("circus") == circus.__version__, circus.__version__
arbiter = circus.get_arbiter([{"cmd": "true", "name": "once"}], "ipc://ctl", "ipc://pub")
print(type(arbiter).__module__)
"""


@pytest.fixture(scope="module")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("circus")
    prefix = Path(sys.prefix)
    make = ["make", "-C", ROOT, "-o", prefix / ".requirements-installed", f"VENV={prefix}", f"DIST={folder}"]
    run(*map(str, make), "dist-circus")
    found = shutil.copytree(wheels, folder / "wheels")
    for wheel in folder.glob("*.whl"):
        shutil.copy(wheel, found)
    made = Environment(tmp_path_factory.mktemp("environment"))
    venv.create(made.folder, symlinks=True)
    made.pip("install", "--quiet", "--no-index", "--no-compile", "--find-links", found, "circus~=0.19.0")
    return made


def test_a_program_that_requires_circus_gets_it(environment: Environment) -> None:
    installed = {
        entry["name"]: entry["version"] for entry in json.loads(environment.pip("list", "--format=json"))
    }
    assert installed["circus"] == f"0.19.0+core.{KERNEL.metadata['version']}"
    assert "circus-compat" not in installed
    assert environment.pip("check").strip() == "No broken requirements found."


def test_every_program_and_entry_point_is_there_once(environment: Environment) -> None:
    counts = json.loads(environment.run("python", "-I", "-c", PROGRAMS))
    assert [each for each in counts if each[2] != 1] == []
    found = {name for group, name, _ in counts if group == "console_scripts"}
    wanted = {"circus-core", "circus-stats"}
    assert found == {
        name for project in PROJECTS if project.name in wanted for name in project.metadata.get("scripts", {})
    }


def test_it_is_the_package(environment: Environment) -> None:
    assert environment.run("python", "-c", USE).strip() == "circus.arbiter"
