"""What each distribution of this repository owes: the same shape, the same version, its lines at the root."""

import importlib.metadata
import re

import pytest
from packaging.version import Version

from tests.packaging.projects import ADD_ONS, KERNEL, PROJECTS, ROOT, Project

VERSION = Version(KERNEL.metadata["version"])
BOUNDS = f">={VERSION.major}.{VERSION.minor},<{VERSION.major}.{VERSION.minor + 1}"

each_project = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
each_add_on = pytest.mark.parametrize("project", ADD_ONS, ids=lambda project: project.name)
each_plugin = pytest.mark.parametrize(
    "project",
    [p for p in ADD_ONS if p.folder.parent.name == "circus_plugins"],
    ids=lambda project: project.name,
)


def test_every_folder_of_plugins_is_a_project() -> None:
    folders = {f for f in ROOT.glob("circus_plugins/*") if f.is_dir() and f.name != "__pycache__"}
    assert folders - {project.folder for project in PROJECTS} == set()


def test_kernel_depends_on_five_libraries() -> None:
    names = [requirement.name for requirement in KERNEL.requirements]
    assert sorted(names) == ["pluggy", "psutil", "pyzmq", "stevedore", "tornado"]


@each_add_on
@pytest.mark.parametrize("key", ["version", "license", "requires-python", "authors"])
def test_distribution_agrees_with_the_kernel_on(project: Project, key: str) -> None:
    assert project.metadata[key] == KERNEL.metadata[key]


@each_add_on
def test_distribution_is_built_like_the_kernel(project: Project) -> None:
    assert project.pyproject["build-system"] == KERNEL.pyproject["build-system"]


@each_add_on
def test_distribution_depends_on_the_kernel_of_its_version(project: Project) -> None:
    assert f"circus-core{BOUNDS}" in project.metadata["dependencies"]


@each_add_on
def test_plugins_of_the_distribution_declare_their_options(project: Project) -> None:
    groups = project.entry_points
    assert groups.get("circus.plugin_options", {}).keys() == groups.get("circus.plugins", {}).keys()


@each_plugin
def test_folder_name_is_the_end_of_the_distribution_name(project: Project) -> None:
    assert project.name == f"circus-{project.folder.name}"


# What a distribution holds besides what all do: pages are made of sources that are not Python.
BESIDES = {"circus-httpd": {"frontend", "hatch_build.py"}}


@each_plugin
def test_folder_holds_the_same_as_every_other(project: Project) -> None:
    found = {f.name for f in project.folder.iterdir() if not f.name.startswith((".", "__pycache__"))}
    same = {"pyproject.toml", "README.md", "tests", *(package.name for package in project.packages)}
    assert found == same | BESIDES.get(project.name, set())


@each_add_on
def test_distribution_has_tests(project: Project) -> None:
    assert list(project.folder.glob("tests/**/test_*.py")), f"no tests in {project.folder.name}/tests"


@each_project
def test_package_is_typed(project: Project) -> None:
    assert (project.package / "py.typed").exists()


@each_add_on
def test_readme_says_how_to_install_it(project: Project) -> None:
    assert f"circus-core[{project.extra}]" in (project.folder / "README.md").read_text()


@each_add_on
def test_distribution_has_its_extra(project: Project) -> None:
    extras = KERNEL.metadata["optional-dependencies"]
    assert extras.get(project.extra) == [f"{project.name}{BOUNDS}"]


def test_extra_all_is_all_extras_but_what_tests_need() -> None:
    extras = KERNEL.metadata["optional-dependencies"]
    wanted = extras.keys() - {"all", "testing"}
    assert sorted(extras["all"]) == sorted(f"circus-core[{extra}]" for extra in wanted)


@each_add_on
def test_checkout_installs_it(project: Project) -> None:
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert f"-e ./{project.folder.relative_to(ROOT).as_posix()}" in lines


@each_project
def test_workspace_knows_it(project: Project) -> None:
    assert KERNEL.pyproject["tool"]["uv"]["sources"].get(project.name) == {"workspace": True}


@each_project
def test_import_contracts_know_it(project: Project) -> None:
    linter = KERNEL.pyproject["tool"]["importlinter"]
    assert project.package.name in linter["root_packages"]
    assert any(
        project.package.name in re.split(r"[ |]+", layer)
        for contract in linter["contracts"]
        if "containers" not in contract
        for layer in contract.get("layers", [])
    ), "in no layer of a contract between distributions"


@each_add_on
def test_readme_of_the_repository_lists_it(project: Project) -> None:
    assert f"`{project.name}`" in (ROOT / "README.md").read_text()


def test_installed_distributions_agree_on_the_version() -> None:
    names = {project.name for project in PROJECTS}
    installed = {d.name: d.version for d in importlib.metadata.distributions() if d.name in names}
    assert installed == dict.fromkeys(names, KERNEL.metadata["version"])


def test_changelog_fragments_are_named_by_kind() -> None:
    kinds = "added|changed|deprecated|removed|fixed|security"
    odd = [
        file.name
        for file in ROOT.glob("changelog.d/*")
        if file.name != "README.md" and not re.fullmatch(rf"[a-z0-9-]+\.({kinds})\.md", file.name)
    ]
    assert odd == []
