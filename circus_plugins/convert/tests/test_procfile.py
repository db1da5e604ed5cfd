"""What becomes of a Procfile and its .env; honcho runs the same, to compare."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from circus_convert.problems import ConvertError
from circus_core.testing import Daemon, until

from .converting import checked, circusctl, converted

HONCHO = Path(__file__).parents[3] / ".venv-peers" / "supervisor" / "bin" / "honcho"


def test_each_type_is_a_watcher_with_a_port_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# local\nSECRET='a $b'\nDEBUG=1\nexport X=1\n")
    text = converted(tmp_path, "web: gunicorn -b :$PORT app\n# no\nworker: rq worker\n", "Procfile")
    assert text == (
        "# made from Procfile by circusctl convert\n"
        "# needs: pip install 'circus-core[streams]'\n"
        "# a process that ends is replaced; foreman and honcho would end all of them\n"
        "\n"
        "[DEFAULT]\n"
        "copy_env = True\n"
        "working_dir = FOLDER\n"
        "graceful_timeout = 5\n"
        "stop_children = True\n"
        "\n"
        "# .env:4: not NAME=VALUE: left out, as foreman does\n"
        "[env]\n"
        "SECRET = a $$b\n"
        "DEBUG = 1\n"
        "\n"
        "[watcher:web]\n"
        "cmd = gunicorn -b :$PORT app\n"
        "shell = True\n"
        "stdout_stream.class = StdoutStream\n"
        "stdout_stream.prefix = True\n"
        "stderr_stream.class = stdout\n"
        "\n"
        "[env:web]\n"
        "PORT = 5000\n"
        "\n"
        "[watcher:worker]\n"
        "cmd = rq worker\n"
        "shell = True\n"
        "stdout_stream.class = StdoutStream\n"
        "stdout_stream.prefix = True\n"
        "stderr_stream.class = stdout\n"
        "\n"
        "[env:worker]\n"
        "PORT = 5100\n"
    )
    assert " ok, 2 watchers" in checked(tmp_path, text)


def test_a_port_in_the_environment_file_is_the_first(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=7000\n")
    text = converted(tmp_path, "a: x\nb: y\n", "Procfile.dev")
    assert [line for line in text.splitlines() if "PORT" in line] == ["PORT = 7000", "PORT = 7100"]


def test_a_release_runs_once(tmp_path: Path) -> None:
    assert "\nrespawn = False\n" in converted(tmp_path, "release: migrate\n", "Procfile")


def test_two_entries_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: a\nweb: b\n")
    done = circusctl("convert", "Procfile", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "error: Procfile:2: there are two entries of this name; case does not count\n",
    )


def test_what_ini_can_not_hold_is_an_error_that_names_toml(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: a\n")
    (tmp_path / ".env").write_text("SECRET='a ; b'\n")
    done = circusctl("convert", "Procfile", cwd=tmp_path)
    assert done.stderr == "error: [env] SECRET: an ini file can't hold this value; write --to toml\n"
    text = circusctl("convert", "Procfile", "--to", "toml", cwd=tmp_path).stdout
    assert 'SECRET = "a ; b"\n' in text


RECORD = "import json,os,sys;open(sys.argv[1],'w').write(json.dumps([sys.argv,dict(os.environ),os.getcwd()]))"


@pytest.mark.skipif(not HONCHO.exists(), reason="there is no honcho: run `make peers`")
def test_the_same_runs_as_under_honcho(tmp_path: Path, circusd: Callable[..., Daemon]) -> None:
    """Words, environment and folder: the shell puts in what it put in there."""
    (tmp_path / "record.py").write_text(RECORD)
    python = f"{sys.executable} -IS record.py"
    (tmp_path / "Procfile").write_text(
        f"web: {python} $OUT/web --port=$PORT '$WID' $(echo two words) \"$GREETING\"; exec sleep 1000\n"
        f"job: cd . ; {python} $OUT/job $((PORT + 1)) $WID && exec sleep 1000\n"
    )
    (tmp_path / ".env").write_text('GREETING="good \\"day\\" $HOME"\nWID=inside\n')
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
    with subprocess.Popen(
        [HONCHO, "start"], cwd=tmp_path, env={**os.environ, "OUT": "theirs"}, stdout=subprocess.DEVNULL
    ) as honcho:
        try:
            until(lambda: _records(theirs))
        finally:
            honcho.send_signal(signal.SIGTERM)
    daemon = circusd(circusctl("convert", str(tmp_path / "Procfile")).stdout, env={"OUT": "ours"})
    until(lambda: _records(ours), daemon.log)
    assert _records(ours) == _records(theirs)


def _records(folder: Path) -> dict[str, object] | None:
    """What both wrote down, without what only one of them tells; None as long as it is not all there."""
    try:
        found = {name: json.loads((folder / name).read_text()) for name in ("web", "job")}
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    for name, (argv, env, _) in found.items():
        assert argv.pop(1).endswith(f"/{name}")
        for key in list(env):
            if key.startswith(("OUT", "CIRCUS_", "HONCHO_", "PYTHON", "_", "SHLVL", "PWD", "OLDPWD")):
                del env[key]
    return found


def test_a_value_of_several_lines_keeps_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(r'KEY="-----BEGIN\nab\"c\n-----END"' + "\n")
    text = converted(tmp_path, "web: run\n", "Procfile")
    assert 'KEY = -----BEGIN\n    ab"c\n    -----END\n' in text
    assert checked(tmp_path, text) == "circus.ini: ok, 1 watcher, 0 sockets, 0 plugins\n"


def test_what_is_left_out_or_read_in_two_ways_is_told_without_the_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=secret # really\nB='secret # really'\nC = secret\n")
    text = converted(tmp_path, "web: run\nno entry\n", "Procfile")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line.partition(": ")[0] for line in comments[3:]] == ["# Procfile:2", "# .env:1", "# .env:3"]
    assert "secret" not in "".join(comments)


@pytest.mark.parametrize(
    ("lines", "what"),
    [("web: a\nWeb: b\n", "Procfile:2: there are two"), ("# x\n", "no NAME: COMMAND in it")],
)
def test_a_procfile_that_makes_no_sense_is_told(tmp_path: Path, lines: str, what: str) -> None:
    with pytest.raises(ConvertError, match=what):
        converted(tmp_path, lines, "Procfile")
