"""What leads to a file, and what of a folder counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circus_observers.places import Folder, command_file, fingerprint, names_leading_to


def test_the_first_word_of_a_command_is_its_file(tmp_path: Path) -> None:
    (tmp_path / "serve").touch(mode=0o755)
    expected = str(tmp_path / "serve")
    assert command_file(f"{expected} --port 80", None) == expected
    assert command_file("./serve -v", str(tmp_path)) == expected
    assert command_file("serve -v", None, search=str(tmp_path)) == expected
    assert command_file("serve", str(tmp_path), search="") == expected
    assert command_file([expected, "a b"], None) == expected
    assert command_file(f'"{expected}" x', None) == expected


@pytest.mark.parametrize("cmd", ["", [], "no-such-program-anywhere x", "$(circus.env.program)", "'unended"])
def test_what_is_no_file_is_told(cmd: str | list[str], tmp_path: Path) -> None:
    assert command_file(cmd, str(tmp_path)) is None


def test_links_on_the_way_and_their_targets_lead_to_a_file(tmp_path: Path) -> None:
    for release in ("v1", "v2"):
        (tmp_path / release / "bin").mkdir(parents=True)
        (tmp_path / release / "bin" / "app").touch()
    (tmp_path / "current").symlink_to("v1")
    assert names_leading_to(str(tmp_path / "current/bin/app")) == {
        str(tmp_path / "current"),
        str(tmp_path / "v1/bin/app"),
        str(tmp_path / "v1/bin"),
    }


def test_what_is_missing_first_is_waited_for(tmp_path: Path) -> None:
    assert names_leading_to(str(tmp_path / "not/there/yet")) == {str(tmp_path / "not")}


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert names_leading_to(str(tmp_path / "a")) == {str(tmp_path / "a"), str(tmp_path / "b")}


def test_a_file_that_is_replaced_has_another_fingerprint(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    assert fingerprint(str(file)) is None
    file.write_text("same")
    before = fingerprint(str(file))
    file.chmod(0o755)
    assert fingerprint(str(file)) == before
    other.write_text("same")
    os.utime(other, ns=(0, before[2] if before else 0))
    other.replace(file)
    assert fingerprint(str(file)) != before


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("app.py", True),
        ("deep/er/app.py", True),
        ("page.html", False),
        (".app.py", False),
        (".git/app.py", False),
        ("__pycache__/app.py", False),
        ("app.py~", False),
        ("../elsewhere/app.py", False),
    ],
)
def test_what_counts_in_a_folder(path: str, counts: bool) -> None:
    assert Folder("/srv/app", ("*.py", "*.py~")).holds([os.path.normpath(f"/srv/app/{path}")]) is counts
