"""Each broken file says exactly what is wrong with it; broken/messages.txt holds the messages."""

from pathlib import Path

import pytest

from circus_core.config.check import check
from circus_core.config.load import load, load_or_raise
from circus_core.config.problems import Level
from circus_core.errors import ConfigError

BROKEN = Path(__file__).with_name("broken")


def expected() -> dict[str, list[str]]:
    messages: dict[str, list[str]] = {}
    for line in (BROKEN / "messages.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            lines = messages.setdefault(line.removeprefix("== "), [])
        elif line:
            lines.append(line)
    return messages


def test_every_broken_file_has_its_messages() -> None:
    files = {path.name for path in BROKEN.iterdir() if path.name != "messages.txt"}
    assert files == set(expected())
    assert len(files) >= 30


@pytest.mark.parametrize(("name", "messages"), expected().items())
def test_a_broken_file_says_what_is_wrong(
    name: str, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BROKEN)
    result = load(name, environ={"PATH": "/bin"})
    assert [f"{problem.level.value}: {problem}" for problem in result.problems] == messages


@pytest.mark.parametrize(("name", "messages"), expected().items())
def test_only_errors_keep_the_daemon_from_starting(name: str, messages: list[str]) -> None:
    has_error = any(message.startswith("error: ") for message in messages)
    result = load(BROKEN / name, environ={"PATH": "/bin"})
    assert (result.config is None) is has_error


@pytest.mark.parametrize(("name", "messages"), expected().items())
def test_a_check_fails_for_errors_and_doubts_but_not_for_notices(name: str, messages: list[str]) -> None:
    is_bad = any(not message.startswith("notice: ") for message in messages)
    assert check(BROKEN / name, environ={"PATH": "/bin"}).exit_code == int(is_bad)


def test_all_errors_are_raised_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    with pytest.raises(ConfigError, match="umask must be an octal number") as raised:
        load_or_raise("several.ini")
    assert len(str(raised.value).splitlines()) == 5


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    result = load(tmp_path / "circus.ini")
    assert result.config is None
    assert [str(problem) for problem in result.problems] == [
        f"{tmp_path}/circus.ini: the configuration file does not exist"
    ]


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    result = load(tmp_path)
    assert [str(problem) for problem in result.problems] == [f"{tmp_path}: can't be read: is a directory"]


def test_a_problem_tells_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    problem = load("bad_seconds.ini").problems[0]
    assert problem.level is Level.ERROR
    assert (problem.file, problem.line, problem.section) == (Path("bad_seconds.ini"), 3, "watcher:web")
    assert (problem.option, problem.value) == ("graceful_timeout", "30x")
    assert (problem.accepted, problem.suggestion) == ("seconds >= 0", "write 30")
