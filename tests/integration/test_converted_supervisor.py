"""What runs under Supervisor runs in the same way under circusd with the converted configuration."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from circus_core.testing import Daemon, until
from tests.stack import free_ports

ROOT = Path(__file__).parents[2]
SUPERVISORD = ROOT / ".venv-peers" / "supervisor" / "bin" / "supervisord"
PROGRAM = f"{sys.executable} -IS {ROOT}/tests/peers/recording.py"
IS_ROOT = os.geteuid() == 0

pytestmark = pytest.mark.skipif(not SUPERVISORD.exists(), reason="there is no Supervisor: run `make peers`")

MAIN = """
[unix_http_server]
file=%(here)s/supervisor.sock
username=admin
password=s3cret

[supervisord]
nodaemon=true
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
minfds=2048
environment=RECORDS="%(here)s/records",GLOBAL="a, b",SHADOWED=global

[supervisorctl]
serverurl=unix://%(here)s/supervisor.sock

[include]
files = conf.d/*.conf

[program:plain]
command=@PROGRAM@ %(here)s/records/%(program_name)s   ; the name of the file
autorestart=true

[program:words]
command=@PROGRAM@ %(here)s/records/words 'it''s' "two words" $HOME $WID $(circus.wid) "" "100%%"
  %(ENV_FROM_OUTSIDE)s --group=%(group_name)s
  "((circus.watcher))" \\$x a\\ b ~ *
environment=A="1,2",B='$HOME',C="it's",SHADOWED="own",D="$(circus.wid)",E="%(program_name)s",F="$$",G="",
  FROM="%(ENV_FROM_OUTSIDE)s"
directory=%(here)s/records
umask=027

[program:numbered]
command=@PROGRAM@ %(here)s/records/numbered-%(process_num)02d port=80%(process_num)02d of=%(numprocs)d
process_name=%(program_name)s_%(process_num)02d
numprocs=3
numprocs_start=7

[program:several]
command=/bin/sh -c 'exec @PROGRAM@ "%(here)s/records/several-$$"'
process_name=%(program_name)s_%(process_num)s
numprocs=2

[program:someone]
command=/bin/sh -c 'id >%(here)s/records/someone && : >%(here)s/records/someone.ready; exec sleep 1000'
@USER@

[fcgi-program:front]
command=@PROGRAM@ %(here)s/records/front
socket=tcp://127.0.0.1:@PORT@

[fcgi-program:Local]
command=@PROGRAM@ %(here)s/records/local
socket=unix://%(here)s/local.sock
socket_mode=0770

[program:unstarted]
command=@PROGRAM@ %(here)s/records/unstarted
autostart=false

[group:workers]
programs=words,numbered
"""

ENDINGS = """
; exit statuses: how often each one is started

[program:always]
command=@PROGRAM@ %(here)s/../records/always exit=0 times=2
autorestart=true
startsecs=0

[program:unexpected]
command=@PROGRAM@ %(here)s/../records/unexpected exit=3 times=2
startsecs=0

[program:expected]
command=@PROGRAM@ %(here)s/../records/expected exit=0 times=2
startsecs=0

[program:codes]
command=@PROGRAM@ %(here)s/../records/codes exit=3 times=2
autorestart=unexpected
exitcodes=2,3
startsecs=0

[program:never]
command=@PROGRAM@ %(here)s/../records/never exit=3 times=2
autorestart=false
startsecs=0

[program:interrupted]
command=@PROGRAM@ %(here)s/../records/interrupted
stopsignal=INT

[program:group]
command=@PROGRAM@ %(here)s/../records/group child
stopsignal=QUIT
stopasgroup=true

[program:deaf]
command=@PROGRAM@ %(here)s/../records/deaf deaf
stopwaitsecs=1
"""

ONCE = {"expected", "codes", "never"}
THRICE = {"always", "unexpected"}
STAYING = {
    *("plain", "words", "numbered-07", "numbered-08", "numbered-09", "someone", "front", "local"),
    *("interrupted", "group", "group.child", "deaf", "always", "unexpected"),
}
IN_WORDS = "someone"
"""What a user writes down who may not be able to run our Python."""
NOT_COMPARED = ("SUPERVISOR_", "CIRCUS_", "LISTEN_", "_", "PYTEST_", "PYTHONPATH", "SHLVL", "OLDPWD", "PWD")
"""Told by one of them only, by the test itself, or by a shell."""


@dataclass(frozen=True, slots=True)
class Records:
    """What the programs wrote down."""

    folder: Path

    def of(self, name: str) -> list[dict[str, Any]]:
        file = self.folder / name
        if name == IN_WORDS or not file.exists():
            return []
        whole, _, _ = file.read_text().rpartition("\n")  # another line may be on its way
        return [json.loads(line) for line in whole.splitlines()]

    def starts(self, name: str) -> list[Mapping[str, Any]]:
        return [record["start"] for record in self.of(name) if "start" in record]

    def signals(self, name: str) -> list[str]:
        return [record["signal"] for record in self.of(name) if "signal" in record]

    def are_complete(self) -> bool:
        ready = {each.name.removesuffix(".ready") for each in self.folder.glob("*.ready")}
        return (
            ready >= STAYING
            and len([name for name in ready if name.startswith("several-")]) == 2
            and all(len(self.starts(name)) == 1 for name in ONCE)
            and all(len(self.starts(name)) == 3 for name in THRICE)
        )

    def shape(self) -> dict[str, Any]:
        """All that was written down, without what can't be the same."""
        names = sorted(each.name for each in self.folder.iterdir() if not each.name.endswith(".ready"))
        shapes = [(name, [_comparable(start) for start in self.starts(name)]) for name in names]
        return {
            **{name: starts for name, starts in shapes if not name.startswith("several-")},
            IN_WORDS: (self.folder / IN_WORDS).read_text(),
            "several": sorted((starts for name, starts in shapes if name.startswith("several-")), key=str),
        }


def _comparable(start: Mapping[str, Any]) -> dict[str, Any]:
    env = {key: value for key, value in start["env"].items() if not key.startswith(NOT_COMPARED)}
    argv = [word if "several-" not in word else "several" for word in start["argv"]]
    return {**start, "env": env, "argv": argv}


def _lines(value: object) -> Iterator[str]:
    """Yield a line for each thing in it, with its place, so that a failure shows what differs."""
    match value:
        case dict():
            items = list(value.items())
        case list():
            items = list(enumerate(value))
        case _:
            yield repr(value)
            return
    for key, inner in items:
        yield from (f"{key} {line}" for line in _lines(inner))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Both run in the same folder, one after the other, so that even names of files are the same.

    Not one of pytest's: other users must get there.
    """
    with tempfile.TemporaryDirectory(prefix="circus-converted-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "conf.d").mkdir()
        (port,) = free_ports(1)
        for file, text in (("supervisord.conf", MAIN), ("conf.d/endings.conf", ENDINGS)):
            text = text.replace("@PROGRAM@", PROGRAM).replace("@PORT@", str(port))
            (folder / file).write_text(text.replace("@USER@", "user=nobody" if IS_ROOT else ""))
        yield folder


def _environment(folder: Path) -> dict[str, str]:
    """That of both; Supervisor leaves logs of its processes in TMPDIR."""
    return {**os.environ, "FROM_OUTSIDE": "from outside; $X", "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def under_supervisor(folder: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    with _records(folder) as records:
        with subprocess.Popen(
            [*_in(folder), SUPERVISORD, "-n", "-c", folder / "supervisord.conf"],
            env=_environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as supervisord:
            try:
                until(records.are_complete, lambda: (folder / "supervisord.log").read_text(), 60)
                shape = records.shape()
            finally:
                supervisord.send_signal(signal.SIGTERM)
                supervisord.wait(30)
        return shape, _signals(records)


@pytest.fixture(scope="module")
def under_circusd(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    text = _converted(folder)
    with _records(folder) as records:
        own, env = tmp_path_factory.mktemp("circusd"), _environment(folder)
        with Daemon(own, text, env=env, command=_in(folder)) as daemon:
            until(records.are_complete, daemon.log, 60)
            shape = records.shape()
            for name in ONCE:
                daemon.watcher(name).until("stopped")
        return shape, _signals(records)


def _in(folder: Path) -> Sequence[str]:
    """Words that start a program in a folder, with the limit that most systems have."""
    return "env", "-C", str(folder), "prlimit", "--nofile=1024:4096"


@contextlib.contextmanager
def _records(folder: Path) -> Iterator[Records]:
    """Give an empty folder that anybody can write to, and put it aside."""
    records = folder / "records"
    records.mkdir()
    records.chmod(0o777)
    yield Records(records)
    records.rename(folder / f"records-{len(list(folder.glob('records-*')))}")


def _signals(records: Records) -> dict[str, list[str]]:
    return {name: records.signals(name) for name in sorted(STAYING)}


def _converted(folder: Path) -> str:
    words = [sys.executable, "-m", "circus_core.cli.circusctl", "convert", str(folder / "supervisord.conf")]
    done = subprocess.run(words, capture_output=True, text=True, env=_environment(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_runs_in_the_same_surroundings(
    under_supervisor: tuple[dict[str, Any], object], under_circusd: tuple[dict[str, Any], object]
) -> None:
    """Words, environment, folder, user, groups, umask, limits, sockets, and the number of starts."""
    theirs, ours = (set(_lines(shape)) for shape in (under_supervisor[0], under_circusd[0]))
    assert sorted(ours - theirs) == []
    assert sorted(theirs - ours) == []


def test_the_same_signals_end_it(
    under_supervisor: tuple[object, dict[str, list[str]]], under_circusd: tuple[object, dict[str, list[str]]]
) -> None:
    assert under_circusd[1] == under_supervisor[1]
    assert under_circusd[1]["group.child"] == ["SIGQUIT"]


def test_neither_the_environment_nor_a_password_is_in_the_file(folder: Path) -> None:
    text = _converted(folder)
    assert "from outside" not in text
    assert "s3cret" not in text
    assert "$(circus.env.FROM_OUTSIDE)" in text
