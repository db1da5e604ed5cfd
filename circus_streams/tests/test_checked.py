"""What is wrong with the options of a stream is told before anything starts, by the line it stands on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from circus_core.drivers import Drivers
from circus_streams import FileStream

BROKEN = """\
[circus]
endpoint = ipc://{folder}/control
pubsub_endpoint = ipc://{folder}/events
[watcher:files]
cmd = sleep 1000
stdout_stream.class = FileStream
stdout_stream.filename = {folder}/files.log
stdout_stream.max_bytes = abc
stderr_stream.class = WatchedFileStream
[watcher:turns]
cmd = sleep 1000
stdout_stream.class = TimedRotatingFileStream
stdout_stream.filename = {folder}/turns.log
stdout_stream.rotate_when = noon
stderr_stream.class = SyslogStream
stderr_stream.severity = loud
[watcher:plain]
cmd = sleep 1000
stdout_stream.filenam = {folder}/plain.log
stderr_stream.class = StdoutStream
stderr_stream.overflow = drop
stderr_stream.colour = red
"""
COMPLAINTS = (
    ("8: watcher 'files': stdout_stream.max_bytes must be a whole number >= 0", "got 'abc'; write 10MB"),
    ("9: watcher 'files': stderr_stream.filename is missing", "name the file to write to"),
    ("14: watcher 'turns': stdout_stream.rotate_when must be", "got 'noon'"),
    ("16: watcher 'turns': stderr_stream.severity must be one of", "got 'loud'"),
    ("19: watcher 'plain': stdout_stream.filename is missing", "name the file to write to"),
    ("19: watcher 'plain': stdout_stream.filenam is ignored", "write stdout_stream.filename"),
    (
        "22: watcher 'plain': stderr_stream.colour is ignored: StdoutStream has no such option",
        "it has prefix",
    ),
)


def circusd(*words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "circus_core.cli.circusd", *words]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def test_bad_and_unknown_options_are_told_by_the_check_and_keep_the_daemon_from_starting(
    tmp_path: Path,
) -> None:
    path = tmp_path / "circus.ini"
    path.write_text(BROKEN.format(folder=tmp_path))
    checked, started = circusd("--check", str(path)), circusd(str(path))
    assert (checked.returncode, started.returncode) == (1, 1)
    *lines, _ = checked.stdout.splitlines()
    assert len(lines) == len(COMPLAINTS), checked.stdout
    for line, (start, end) in zip(lines, COMPLAINTS, strict=True):
        assert line.startswith(f"{path}:{start}"), line
        assert end in line
    errors = [line for line in lines if not line.endswith("(doubt)")]
    assert [line.removeprefix("circusd: ") for line in started.stderr.splitlines()] == errors
    assert list(tmp_path.glob("*.log")) == []


def test_a_class_of_ones_own_is_not_made_for_a_check() -> None:
    class Own(FileStream):
        pass

    load = Drivers().load
    assert all("check_options" in vars(load("circus.streams", name)) for name in ("default", "QueueStream"))
    assert "check_options" not in vars(Own)
