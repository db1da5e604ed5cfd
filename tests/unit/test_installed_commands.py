"""Commands are found in what packages say about themselves."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from circus_core.cli.installed import InstalledCommands
from circus_core.errors import DriverError, UnknownCommandError


def install(folder: Path, distribution: str, text: str) -> None:
    (folder / distribution).mkdir(parents=True)
    (folder / distribution / "entry_points.txt").write_text(text)


def kernel(folder: Path) -> None:
    install(
        folder,
        "circus_core-1.0.dist-info",
        "[scripts]\nx = y:z\n\n[circus.commands]\nlist = circus_core.commands.list:List\n[other]\nno = a:b\n",
    )


def test_a_command_is_found_by_its_name(tmp_path: Path) -> None:
    kernel(tmp_path)
    commands = InstalledCommands([str(tmp_path)])
    assert commands.names() == ["list"]
    assert commands.find("list").name == "list"


def test_a_stranger_s_command_is_found_like_our_own(tmp_path: Path) -> None:
    kernel(tmp_path)
    install(
        tmp_path, "other.egg-info", "[circus.commands]\nmine=circus_core.commands.status:Status [extra]\n"
    )
    commands = InstalledCommands([str(tmp_path), "/no/such/folder"])
    assert commands.names() == ["list", "mine"]
    assert commands.find("mine").name == "status"


def test_an_unknown_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownCommandError, match=r"^unknown command: 'nope'$"):
        InstalledCommands([str(tmp_path)]).find("nope")


def test_a_name_that_two_packages_provide_is_an_error(tmp_path: Path) -> None:
    kernel(tmp_path)
    install(tmp_path, "other-2.dist-info", "[circus.commands]\nlist = other:List\n")
    with pytest.raises(
        DriverError, match="'list' is provided by circus-core and by other: uninstall one of them"
    ):
        InstalledCommands([str(tmp_path)]).find("list")


def test_the_first_of_two_copies_of_a_package_counts(tmp_path: Path) -> None:
    kernel(tmp_path / "first")
    install(tmp_path / "second", "circus_core-0.9.dist-info", "[circus.commands]\nlist = old:List\n")
    commands = InstalledCommands([str(tmp_path / "first"), str(tmp_path / "second")])
    assert type(commands.find("list")).__module__ == "circus_core.commands.list"


def test_a_command_that_can_not_be_imported_names_its_package(tmp_path: Path) -> None:
    install(tmp_path, "broken-1.dist-info", "[circus.commands]\nx = no_such_module_here:X\n")
    with pytest.raises(DriverError, match="command 'x' of broken failed to load: ModuleNotFoundError"):
        InstalledCommands([str(tmp_path)]).find("x")


def test_the_quick_way_finds_what_the_standard_way_finds() -> None:
    assert InstalledCommands().names() == sorted(
        {entry.name for entry in entry_points(group="circus.commands")}
    )


def test_a_program_can_bring_commands_that_no_package_provides(tmp_path: Path) -> None:
    kernel(tmp_path)
    mine = InstalledCommands([str(tmp_path)]).find("list")
    commands = InstalledCommands([str(tmp_path)], more={"mine": mine, "list": mine})
    assert commands.names() == ["list", "mine"]
    assert commands.find("mine") is mine
    assert commands.find("list") is not mine
