"""Whatever a command or a variable holds, circus-core reads from the converted file what it was made from."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circus_convert.conversion import Target, convert, write
from circus_core.config.load import load_or_raise
from circus_core.config.model import WatcherConfig
from circus_core.spawning import StandardStreams, spawn_request
from tests.property.effort import examples

PIECES = (
    *(
        "$",
        "$$",
        "$WID",
        "$WIDE",
        "$HOME",
        "$(circus.wid)",
        "$(circus.env.HOME)",
        "((circus.watcher))",
        "((",
        "(",
    ),
    *(
        "circus.wid",
        "%",
        "%%",
        "%(here)s",
        " ;",
        ";",
        "#",
        " # ",
        "'",
        '"',
        "\\",
        " ",
        "\t",
        "\n",
        "=",
        "é",
        "[x]",
    ),
    *("$(CIRCUS.Cmd)", "''", '""', "rem ", "a", "b", "`", "*", "~", "{}", "|", "&&"),
)
WORDS = st.lists(st.one_of(st.sampled_from(PIECES), st.text("abc $;'\"\\%(\n", max_size=3)), max_size=5).map(
    "".join
)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=30)


def read(text: str, target: Target, folder: Path) -> WatcherConfig:
    file = folder / f"circus.{target}"
    file.write_text(text, encoding="utf-8")
    (watcher,) = load_or_raise(file, environ={"HOME": "/home/x", "WID": "99"}).watchers
    return watcher


def argv(watcher: WatcherConfig) -> tuple[str, ...]:
    request = spawn_request(watcher, 1, env=watcher.env, sockets={}, streams=StandardStreams())
    return request.argv


def supervisor_text(command: str) -> str:
    """Write a value as Supervisor wants it: `%` doubled, further lines indented."""
    return command.replace("%", "%%").replace("\n", "\n  ")


def is_writable(text: str) -> bool:
    """Whether a file of Supervisor can hold it: blanks at the ends of lines, and comments, are lost there."""
    lines = text.split("\n")
    return all(line == line.strip() and line and not re.search(r"(?:^|\s)[;#]", line) for line in lines)


@pytest.mark.parametrize("target", ["ini", "toml"])
@given(words=st.lists(st.one_of(WORDS, ANY_TEXT), min_size=1, max_size=4))
@example(words=["a b", "", "$WID", "x\ny", "((circus.wid))"])
@settings(max_examples=examples(150))
def test_a_command_of_supervisor_keeps_its_words(target: Target, words: list[str]) -> None:
    command = shlex.join(words)
    if not is_writable(command) or any(mark in command for mark in "\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "supervisord.conf"
        source.write_text(f"[program:x]\ncommand = {supervisor_text(command)}\n", encoding="utf-8")
        watcher = read(write(convert(source), target), target, folder)
        assert argv(watcher) == tuple(words)


@pytest.mark.parametrize("target", ["ini", "toml"])
@given(line=st.one_of(WORDS, ANY_TEXT).map(lambda text: " ".join(text.split())).filter(bool))
@example(line="cd x ; exec run $WID --port=$PORT")
@settings(max_examples=examples(150))
def test_a_line_of_a_procfile_reaches_the_shell_as_it_is(target: Target, line: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "Procfile"
        source.write_text(f"x: {line}\n", encoding="utf-8")
        watcher = read(write(convert(source), target), target, folder)
        assert argv(watcher) == ("/bin/sh", "-c", line)


@given(value=st.one_of(WORDS, ANY_TEXT).filter(lambda text: "((circus" not in text.lower()))
@example(value="$$(circus.env.HOME) $HOME $x ")
@settings(max_examples=examples(150))
def test_a_variable_of_a_dotenv_keeps_its_value(value: str) -> None:
    value = value.replace("\n", " ")
    value = (
        value.strip() if "$" in value or "((" in value else value
    )  # as circusd does where it may have put something in
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Procfile").write_text("x: true\n")
        (folder / ".env").write_text(f"A='{value}'\n", encoding="utf-8")
        watcher = read(write(convert(folder / "Procfile"), "toml"), "toml", folder)
        assert watcher.env["A"] == value
