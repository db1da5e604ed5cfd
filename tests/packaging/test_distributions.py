"""The built distributions: what is in them, and what an empty environment has after installing them."""

import json
import tarfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging.environments import Built, Environment
from tests.packaging.projects import ADD_ONS, KERNEL, PROJECTS, Project, with_dependencies

pytestmark = pytest.mark.packaging

each_project = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)

# What is asked of the installer, and the distributions of this repository that are there afterwards.
COMBINATIONS = {
    "circus-core": {KERNEL.name},
    **{f"circus-core[{project.extra}]": with_dependencies(project) for project in ADD_ONS},
    "circus-core[all]": {project.name for project in PROJECTS},
}
each_combination = pytest.mark.parametrize(
    ("requirement", "names"), COMBINATIONS.items(), ids=list(COMBINATIONS)
)

# Load every entry point of the groups that begin with circus: a name that nothing stands behind fails here.
DISCOVER = """
import importlib.metadata, json
found = {}
for distribution in importlib.metadata.distributions():
    for point in distribution.entry_points:
        if point.group.split(".")[0] == "circus":
            point.load()
            found.setdefault(point.group, {})[point.name] = point.value
print(json.dumps(found))
"""

VERSIONS = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""


def content(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@each_project
def test_wheel_holds_the_package_and_nothing_else(project: Project, built: dict[str, Built]) -> None:
    names = [name for name in content(built[project.name].wheel) if ".dist-info/" not in name]
    assert sorted(names) == sorted(project.package_files())


@each_project
def test_wheel_is_the_same_from_tree_and_from_sdist(project: Project, built: dict[str, Built]) -> None:
    files = built[project.name]
    assert content(files.wheel) == content(files.direct_wheel)


@each_project
def test_sdist_holds_the_tests_and_the_readme(project: Project, built: dict[str, Built]) -> None:
    with tarfile.open(built[project.name].sdist) as archive:
        names = {"/".join(Path(name).parts[1:2]) for name in archive.getnames()}
    assert {"README.md", "pyproject.toml", "PKG-INFO", "tests"} <= names


def test_wheel_of_the_kernel_holds_the_licence(built: dict[str, Built]) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in content(built[KERNEL.name].wheel))


@each_combination
def test_install_is_consistent(
    requirement: str, names: set[str], environment: Callable[[str], Environment]
) -> None:
    made = environment(requirement)
    installed: dict[str, str] = json.loads(made.run("python", "-I", "-c", VERSIONS))
    ours = {name: version for name, version in installed.items() if name.startswith("circus")}
    assert ours == dict.fromkeys(names, KERNEL.metadata["version"])
    assert made.pip("check").strip() == "No broken requirements found."


@each_combination
def test_discovery_finds_what_is_installed(
    requirement: str, names: set[str], environment: Callable[[str], Environment]
) -> None:
    expected: dict[str, dict[str, str]] = defaultdict(dict)
    for project in PROJECTS:
        if project.name in names:
            for group, points in project.entry_points.items():
                if group.split(".")[0] == "circus":
                    expected[group].update(points)
    assert json.loads(environment(requirement).run("python", "-I", "-c", DISCOVER)) == expected


@each_combination
def test_programs_answer(
    requirement: str, names: set[str], environment: Callable[[str], Environment]
) -> None:
    made = environment(requirement)
    assert KERNEL.metadata["version"] in made.run("circusd", "--version")
    for project in PROJECTS:
        if project.name in names:
            for program in project.metadata.get("scripts", {}):
                made.run(program, "--help")


def test_kernel_alone_brings_no_plugin_and_no_stream(environment: Callable[[str], Environment]) -> None:
    found = json.loads(environment("circus-core").run("python", "-I", "-c", DISCOVER))
    assert found["circus.backends"].keys() == {"local"}
    assert found["circus.config"].keys() == {"cfg", "conf", "ini", "toml"}
    assert found.keys() & {"circus", "circus.plugins", "circus.streams"} == set()


def test_add_ons_bring_their_names(environment: Callable[[str], Environment]) -> None:
    found = json.loads(environment("circus-core[all]").run("python", "-I", "-c", DISCOVER))
    assert found["circus.plugins"].keys() >= {"flapping", "circus.plugins.flapping.Flapping"}
    assert found["circus.streams"].keys() >= {
        "default",
        "FileStream",
        "StdoutStream",
        "circus.stream.FileStream",
        "circus.stream.StdoutStream",
    }
