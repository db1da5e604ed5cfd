"""`circusctl plugin`: what is listed, what is made, and what is said where that is not possible."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circus_core import scaffold
from circus_core.cli.circusctl import main
from circus_core.errors import CircusError, MessageError
from circus_core.inventory import Provided, inventory
from circus_core.scaffold import check_name, make_plugin
from tests.packages import Installer, installer

__all__ = ["installer"]

Run = Callable[..., tuple[int, str, str]]

GROUP = "circus.plugins"
NAMES = [
    "../demo",
    "",
    ".",
    "-x",
    "Demo",
    "a b",
    "a_b",
    "a--b",
    "x" * 51,
    "1st",
    "demo-",
    "démo",
    "a/b",
    "a\n",
]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs circusctl in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def provided(namespace: str) -> dict[str, Provided]:
    return {each.name: each for each in inventory() if each.namespace == namespace}


# What is installed


def test_a_name_is_listed_with_its_package_and_its_place(installer: Installer, run: Run) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{GROUP}]\nbell = bells:Bell\n", version="1.2")
    status, out, err = run("plugin", "list")
    assert (status, err) == (0, "")
    section = out.split("circus.plugins:\n")[1].split("\ncircus.")[0]
    (line,) = (line for line in section.splitlines() if " bell " in line)
    assert line.split() == ["bell", "circus-x", "1.2", "bells:Bell"]


def test_every_namespace_is_listed(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    groups = (GROUP, "circus.streams", "circus.commands", "circus.backends", "circus.config", "circus.odd")
    installer.package("circus-x", "".join(f"[{group}]\nbell = bells:Bell\n" for group in (*groups, "circus")))
    found = [each for each in inventory() if each.name == "bell"]
    assert [each.namespace for each in found] == [*groups, "circus"]
    assert all(each.error == "" for each in found)


def test_the_kernel_s_own_names_can_all_be_used() -> None:
    ours = [each for each in inventory() if each.distribution == "circus-core"]
    assert {each.namespace for each in ours} == {"circus.commands", "circus.backends", "circus.config"}
    assert [each.error for each in ours if each.error] == []


@pytest.mark.parametrize(
    ("group", "source", "error"),
    [
        (GROUP, "import no_such_module", "'bell' of circus-x 0.1.0 failed to load: No module named"),
        ("circus.streams", "raise SystemExit(3)", "'bell' of circus-x 0.1.0 failed to load: SystemExit: 3"),
        ("circus", "1 / 0", "'bell' of circus-x 0.1.0 failed to load: division by zero"),
        (
            "circus",
            "from circus_core import hookimpl\n@hookimpl\ndef before_strt(watcher): pass\n",
            "there is no hook 'before_strt', did you mean 'before_start'?",
        ),
    ],
)
def test_what_can_not_be_loaded_is_listed_with_the_reason(
    installer: Installer, run: Run, group: str, source: str, error: str
) -> None:
    installer.module("bells", source)
    installer.package("circus-x", f"[{group}]\nbell = bells{':Bell' if group != 'circus' else ''}\n")
    assert error in provided(group)["bell"].error
    status, out, err = run("plugin", "list")
    assert (status, err) == (0, "")
    assert re.search(rf"^    can't be used: .*{re.escape(error)}", out, re.MULTILINE)


@pytest.mark.parametrize("group", [GROUP, "circus"])
def test_a_name_of_two_packages_is_listed_twice_with_the_way_out(installer: Installer, group: str) -> None:
    installer.module("bells", "class Bell:\n    pass\nclass Gong:\n    pass\n")
    installer.package("circus-x", f"[{group}]\nbell = bells:Bell\n")
    installer.package("circus-y", f"[{group}]\nbell = bells:Gong\n")
    found = [each for each in inventory() if each.name == "bell"]
    assert [each.distribution for each in found] == ["circus-x", "circus-y"]
    assert {each.error for each in found} == {"several packages provide this name: uninstall all but one"}


def test_old_names_are_listed_when_they_are_asked_for(installer: Installer, run: Run) -> None:
    installer.module("bells", "class Bell:\n    pass\nclass Gong:\n    pass\n")
    installer.package(
        "circus-x", f"[{GROUP}]\nbell = bells:Bell\nold.path.Bell = bells:Bell\nonly.dotted = bells:Gong\n"
    )
    assert {
        name: each.is_old for name, each in provided(GROUP).items() if each.distribution == "circus-x"
    } == {
        "bell": False,
        "old.path.Bell": True,
        "only.dotted": False,
    }
    _, out, _ = run("plugin", "list")
    assert "only.dotted" in out
    assert "old.path.Bell" not in out
    assert re.search(r"^\d+ old names? not shown, see --all$", out, re.MULTILINE)
    _, out, _ = run("plugin", "list", "--all")
    assert "old.path.Bell" in out
    assert "see --all" not in out


def test_json_has_everything(installer: Installer, run: Run) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{GROUP}]\nbell = bells:Bell\n")
    _, out, _ = run("--json", "plugin", "list")
    (bell,) = (each for each in json.loads(out)["provided"] if each["name"] == "bell")
    assert bell == {
        "namespace": GROUP,
        "name": "bell",
        "distribution": "circus-x",
        "version": "0.1.0",
        "place": "bells:Bell",
        "is_old": False,
        "error": "",
    }


# What is typed


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nothing"], "plugin must be followed by list or new, got 'nothing'"),
        (["new"], "write: circusctl plugin new NAME [--folder FOLDER]"),
        (["list", "demo"], "write: circusctl plugin list [--all]"),
        (["list", "--folder", "x"], "--folder is for 'plugin new'"),
        (["new", "demo", "--all"], "--all is for 'plugin list'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_right_words(run: Run, words: list[str], reason: str) -> None:
    status, out, err = run("plugin", *words)
    assert (status, out) == (1, "")
    assert reason in err


# A new one


def test_a_new_plugin_is_a_package_of_its_own(run: Run) -> None:
    status, out, err = run("plugin", "new", "disk-space")
    assert (status, err) == (0, "")
    project: dict[str, Any] = tomllib.loads(Path("disk-space/pyproject.toml").read_text())["project"]
    assert project["name"] == "circus-disk-space"
    assert project["dependencies"] == ["circus-core>=0.1,<0.2"]
    assert project["entry-points"] == {GROUP: {"disk-space": "circus_disk_space.plugin:DiskSpacePlugin"}}
    files = {str(file.relative_to("disk-space")) for file in Path("disk-space").rglob("*") if file.is_file()}
    package = {f"circus_disk_space/{name}" for name in ("__init__.py", "plugin.py", "py.typed")}
    assert files == {"README.md", "pyproject.toml", "example.ini", "tests/test_disk_space.py", *package}
    assert "pip install -e './disk-space[test]'" in out
    assert not list(Path().glob(".*"))
    assert stat.S_IMODE(Path("disk-space").stat().st_mode) & 0o500 == 0o500


def test_nothing_is_left_open_in_what_is_made(tmp_path: Path) -> None:
    made = make_plugin("demo", tmp_path / "demo")
    for path in made.files:
        assert "$" not in (made.folder / path).read_text()


def test_the_folder_can_be_another_one_and_is_told(run: Run) -> None:
    _, out, _ = run("--json", "plugin", "new", "demo", "--folder", "my plugin")
    made = json.loads(out)
    assert made["folder"] == str(Path("my plugin").absolute())
    assert made["distribution"] == "circus-demo"
    assert all((Path("my plugin") / path).is_file() for path in made["files"])


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MessageError, match="NAME must be at most 50 small letters and digits"):
        make_plugin(name, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["circus", "circus-demo"])
def test_the_name_is_without_the_family(name: str) -> None:
    with pytest.raises(MessageError, match="without 'circus' in front"):
        check_name(name)


def test_the_name_of_an_installed_package_is_refused(installer: Installer, tmp_path: Path) -> None:
    installer.package("circus-taken", "", version="3.1")
    with pytest.raises(MessageError, match=r"^'taken' is the name of circus-taken 3.1: choose another one$"):
        make_plugin("taken", tmp_path / "made")


def test_the_kernel_can_not_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(MessageError, match="'core' is the name of circus-core"):
        make_plugin("core", tmp_path / "made")


def test_the_name_of_a_package_of_ours_is_refused_also_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaffold, "missing_extras", lambda: ["ours"])
    with pytest.raises(MessageError, match="'ours' is the name of a package that circus-core knows"):
        make_plugin("ours", tmp_path / "made")


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "link that leads nowhere"])
def test_what_is_there_is_not_touched(tmp_path: Path, kind: str) -> None:
    there = tmp_path / "demo"
    if kind == "file":
        there.write_text("mine")
    elif kind.startswith("link"):
        there.symlink_to(tmp_path / "nowhere")
    else:
        there.mkdir()
        if kind == "folder":
            (there / "README.md").write_text("mine")
    with pytest.raises(CircusError, match="demo is there already: name another folder with --folder"):
        make_plugin("demo", there)
    assert list(tmp_path.iterdir()) == [there]
    if kind == "folder":
        assert [file.read_text() for file in there.iterdir()] == ["mine"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CircusError, match=r"there is no folder .*/missing: make it"):
        make_plugin("demo", tmp_path / "missing" / "demo")


def test_the_folder_does_not_hide_the_package(tmp_path: Path) -> None:
    with pytest.raises(CircusError, match="the folder must not be called circus_demo"):
        make_plugin("demo", tmp_path / "circus_demo")


def test_where_nothing_can_be_written_it_is_said_and_nothing_is_left(run: Run) -> None:
    status, out, err = run("plugin", "new", "demo", "--folder", "x" * 300)
    assert (status, out) == (1, "")
    assert "can't be written: File name too long" in err
    assert "Traceback" not in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("kernel", "bounds"), [("0.1.0", ">=0.1,<0.2"), ("0.12.3.dev1", ">=0.12,<0.13"), ("2.3", ">=2.3,<3")]
)
def test_it_depends_on_the_kernel_that_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, bounds: str
) -> None:
    monkeypatch.setattr(scaffold, "version", lambda _name: kernel)
    made = make_plugin("demo", tmp_path / "demo")
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"circus-core{bounds}"]
