"""The command itself: the file that it makes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

from circus_core.testing import CommandContract

from .converting import circusctl

PROGRAM = '[program:x]\ncommand=x\nenvironment=A="s3cret"\n'


class TestConvert(CommandContract):
    command = "convert"


def test_the_file_is_for_its_owner_only_and_never_replaces_another(tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text(PROGRAM)
    done = circusctl("convert", "s.conf", "--output", "circus.toml", cwd=tmp_path)
    assert done.stdout == (
        "made circus.toml: 1 watcher, 0 sockets, 0 comments about what is not the same\n"
        "next: circusd --check circus.toml\n"
    )
    made = tmp_path / "circus.toml"
    assert made.stat().st_mode & 0o777 == 0o600
    assert 'A = "s3cret"' in made.read_text()
    again = circusctl("convert", "s.conf", "--output", "circus.toml", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (
        1,
        "error: circus.toml: exists already; name another file or remove it\n",
    )


def test_json_has_the_text_and_the_comments(tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text(PROGRAM + "serverurl=AUTO\n")
    found = json.loads(circusctl("--json", "convert", "s.conf", cwd=tmp_path).stdout)
    assert found["text"].startswith("# made from s.conf")
    assert found["notes"] == [
        "s.conf:4: serverurl: processes are told of no server; circusctl finds circusd by itself"
    ]


def test_the_form_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("web:run\n")
    assert circusctl("convert", "odd", cwd=tmp_path).returncode == 1
    assert "[watcher:web]" in circusctl("convert", "odd", "--from", "procfile", cwd=tmp_path).stdout


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text("[program:x]\ncommand=a 'b\n")
    done = circusctl("convert", "s.conf", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: s.conf:2: command: no closing quotation\n"


def test_a_file_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    done = circusctl("convert", "none", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: none: can't be read: no such file or directory\n")
