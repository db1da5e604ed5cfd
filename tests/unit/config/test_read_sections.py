"""Files as sections, before anything is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from circus_core import ConfigError, sections_from_file


def test_sections_are_as_written_with_those_of_included_files(tmp_path: Path) -> None:
    main, more = tmp_path / "main.ini", tmp_path / "more.ini"
    main.write_text("[circus]\ninclude = more.ini\n[watcher:web]\nnumprocesses = many\n")
    more.write_text("[watcher:web]\ncmd = cat\n[other]\na = $(circus.env.B)\n")
    sections, files = sections_from_file(main)
    assert sections["watcher:web"] == {"numprocesses": "many", "cmd": "cat"}
    assert sections["other"] == {"a": "$(circus.env.B)"}
    assert files == [main, more]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        sections_from_file(tmp_path / "none.ini")
