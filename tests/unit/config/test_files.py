"""Several files: section 2 of the configuration reference."""

from pathlib import Path

import pytest

from circus_core.config.load import LoadResult, load
from circus_core.config.raw import Reader
from circus_core.errors import DriverError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir("/")
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(result: LoadResult) -> list[str]:
    assert result.config is not None, result.problems
    return [watcher.name for watcher in result.config.watchers]


def test_included_files_are_relative_to_the_main_file(folder: Path) -> None:
    write(
        folder,
        {
            "circus.ini": "[circus]\ninclude = b.ini conf.d/*/*.ini\ninclude_dir = more\n",
            "b.ini": "[watcher:b]\ncmd = x\n",
            "conf.d/one/c.ini": "[watcher:c]\ncmd = x\n",
            "more/d.ini": "[watcher:d]\ncmd = x\n",
            "more/e.txt": "[watcher:e]\ncmd = x\n",
        },
    )
    assert names(load(folder / "circus.ini")) == ["b", "c", "d"]


def test_files_of_one_pattern_come_in_sorted_order(folder: Path) -> None:
    files = {f"conf.d/{i:02}.ini": f"[env]\nA = {i}\n" for i in reversed(range(20))}
    write(folder, {"circus.ini": "[circus]\ninclude = conf.d/*.ini\n[watcher:web]\ncmd = x\n", **files})
    config = load(folder / "circus.ini").config
    assert config is not None
    assert config.watchers[0].own_env == {"A": "0"}


def test_the_main_file_wins_and_included_files_complete_it(folder: Path) -> None:
    write(
        folder,
        {
            "circus.ini": "[circus]\ninclude = b.ini\nloglevel = debug\n[watcher:web]\ncmd = x\n",
            "b.ini": "[circus]\nloglevel = error\ndebug = True\n[watcher:web]\nnumprocesses = 2\n",
        },
    )
    result = load(folder / "circus.ini")
    assert result.problems == ()
    assert result.config is not None
    assert (result.config.arbiter.loglevel, result.config.arbiter.debug) == ("debug", True)
    assert result.config.watchers[0].numprocesses == 2


def test_a_key_redefined_over_two_lines_in_an_included_file_does_no_harm(folder: Path) -> None:
    write(
        folder,
        {
            "circus.ini": "[circus]\ninclude = b.ini\n[watcher:web]\ncmd = x\n",
            "b.ini": "[watcher:web]\ncmd = y\n  z\n",
        },
    )
    result = load(folder / "circus.ini")
    assert result.config is not None
    assert result.config.watchers[0].cmd == "x"
    assert [str(problem) for problem in result.problems] == [
        f"{folder}/b.ini:2: watcher 'web': cmd is 'y\\nz' here and 'x' in {folder}/circus.ini:4, "
        "which counts; keep one of the two"
    ]


def test_a_problem_in_an_included_file_names_that_file(folder: Path) -> None:
    write(
        folder,
        {"circus.ini": "[circus]\ninclude = b.ini\n", "b.ini": "[watcher:web]\ncmd = x\nnumprocesses = x\n"},
    )
    (problem,) = load(folder / "circus.ini").problems
    assert (problem.file, problem.line) == (folder / "b.ini", 3)


def test_an_include_inside_an_included_file_is_not_followed(folder: Path) -> None:
    write(
        folder,
        {
            "circus.ini": "[circus]\ninclude = b.ini\n",
            "b.ini": "[circus]\ninclude = c.ini\n",
            "c.ini": "[watcher:c]\ncmd = x\n",
        },
    )
    result = load(folder / "circus.ini")
    assert names(result) == []
    assert [problem.message for problem in result.problems] == ["include in an included file is not followed"]


def test_a_file_is_read_once_however_often_it_matches(folder: Path) -> None:
    write(
        folder,
        {
            "circus.ini": "[circus]\ninclude = *.ini b.ini\ninclude_dir = .\n",
            "b.ini": "[watcher:b]\ncmd = x\n",
        },
    )
    result = load(folder / "circus.ini")
    assert names(result) == ["b"]
    assert result.problems == ()


def test_patterns_can_use_the_environment_of_the_daemon(folder: Path) -> None:
    write(
        folder,
        {"circus.ini": "[circus]\ninclude = $(circus.env.STAGE).ini\n", "prod.ini": "[watcher:p]\ncmd=x\n"},
    )
    assert names(load(folder / "circus.ini", environ={"STAGE": "prod"})) == ["p"]


def test_ini_and_toml_files_can_be_mixed(folder: Path) -> None:
    write(
        folder,
        {
            "circus.toml": '[circus]\ninclude = ["b.ini"]\ninclude_dir = "more"\n',
            "b.ini": "[watcher:b]\ncmd = x\n",
            "more/c.toml": '[watcher.c]\ncmd = "x"\n',
            "more/d.ini": "[watcher:d]\ncmd = x\n",
        },
    )
    assert names(load(folder / "circus.toml")) == ["b", "c", "d"]


def test_a_folder_with_brackets_in_its_name_is_no_pattern(folder: Path) -> None:
    write(folder, {"[a]/circus.ini": "[circus]\ninclude = *.conf\n", "[a]/b.conf": "[watcher:b]\ncmd = x\n"})
    assert names(load(folder / "[a]" / "circus.ini")) == ["b"]


def test_a_file_that_cannot_be_read_is_an_error(folder: Path) -> None:
    write(folder, {"circus.ini": "[circus]\ninclude = b.ini\n", "b.ini/x": ""})
    assert [str(problem) for problem in load(folder / "circus.ini").problems] == [
        f"{folder}/b.ini: can't be read: is a directory"
    ]


def test_a_file_that_no_reader_understands_is_an_error(folder: Path) -> None:
    def reader_for(path: Path) -> Reader:
        raise DriverError(f"no reader for files ending in {path.suffix}")

    (problem,) = load(folder / "circus.xml", reader_for=reader_for).problems
    assert str(problem) == f"{folder}/circus.xml: no reader for files ending in .xml"


def test_a_thousand_watchers_with_their_own_variables_load(folder: Path) -> None:
    sections = (f"[watcher:w{i}]\ncmd = x\n[env:w{i}]\nA = {i}\nB = $PATH\n" for i in range(1000))
    write(folder, {"circus.ini": "".join(sections)})
    config = load(folder / "circus.ini").config
    assert config is not None
    assert [watcher.own_env["A"] for watcher in config.watchers] == [w.name[1:] for w in config.watchers]
