"""The streams under a real circusd, chosen by name in its configuration."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from circus_streams.tests.samples import wait_until

pytestmark = pytest.mark.slow

CIRCUSD = Path(sys.executable).with_name("circusd")
TALKER = """
import os, sys, time
wid = sys.argv[1]
for number in range(1000):
    os.write(1, f"{wid} line {number}\\n".encode())
    if number % 100 == 0:
        os.write(2, f"{wid} error {number}\\n".encode())
os.write(1, f"{wid} unfinished".encode())
time.sleep(3600)
"""


@contextmanager
def _daemon(folder: Path, streams: str, stdout: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run circusd with two talkers whose outputs go to `streams`."""
    (folder / "talker.py").write_text(TALKER)
    (folder / "circus.ini").write_text(
        f"[circus]\nendpoint = ipc://{folder}/control\npubsub_endpoint = ipc://{folder}/events\n"
        f"[watcher:talk]\ncmd = {sys.executable} talker.py $(circus.wid)\n"
        f"working_dir = {folder}\nnumprocesses = 2\n{streams}"
    )
    with open(folder / "circusd.log", "wb") as log:
        daemon = subprocess.Popen(
            [CIRCUSD, "--log-output", folder / "circusd.own.log", folder / "circus.ini"],
            cwd=folder,
            stdout=stdout or log,
            stderr=log,
        )
        try:
            yield daemon
            assert daemon.poll() is None, (folder / "circusd.log").read_text()
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


def _written(wid: int) -> str:
    return "".join(f"{wid} line {number}\n" for number in range(1000)) + f"{wid} unfinished"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("name", ["FileStream", "WatchedFileStream", "circus.stream.TimedRotatingFileStream"])
def test_each_process_has_a_file_of_its_own(name: str, tmp_path: Path) -> None:
    streams = (
        f"stdout_stream.class = {name}\nstdout_stream.filename = {tmp_path}/$(circus.watcher).$(circus.wid)\n"
    )
    streams += f"stderr_stream.filename = {tmp_path}/errors\nstderr_stream.time_format = %H\n"
    with _daemon(tmp_path, streams):
        files = [tmp_path / f"talk.{wid}" for wid in (1, 2)]
        whole = len(_written(1))  # with its last line: the only output of a file need not be cut into lines
        wait_until(lambda: [_size(each) for each in files] == [whole, whole])
    for wid in (1, 2):
        assert (tmp_path / f"talk.{wid}").read_text() == _written(wid)
    errors = (tmp_path / "errors").read_text().splitlines()
    assert len(errors) == 20
    assert all(re.fullmatch(r"\d\d \[\d+\] \| [12] error \d+", line) for line in errors)


def test_json_objects_and_prefixed_lines_go_to_standard_output(tmp_path: Path) -> None:
    streams = (
        "stdout_stream.class = JsonStream\nstderr_stream.class = StdoutStream\nstderr_stream.prefix = True\n"
    )
    out = tmp_path / "out"
    with open(out, "wb") as file, _daemon(tmp_path, streams, stdout=file):
        wait_until(lambda: out.read_bytes().count(b"\n") == 2020)
    lines = out.read_text().splitlines()
    objects = [json.loads(line) for line in lines if line.startswith("{")]
    for wid in (1, 2):
        mine = [each["message"] for each in objects if each["wid"] == wid]
        assert mine == _written(wid).split("\n")
        errors = [line for line in lines if line.startswith(f"talk.{wid} | ")]
        assert errors == [f"talk.{wid} | {wid} error {number}" for number in range(0, 1000, 100)]


def test_lines_go_to_a_syslog_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        receiver.settimeout(30)
        streams = f"stdout_stream.class = SyslogStream\nstdout_stream.address = {tmp_path}/log\n"
        with _daemon(tmp_path, streams):
            messages = [receiver.recv(9999).decode() for _ in range(2000)]
    for wid in (1, 2):
        mine = [each for each in messages if f" - {wid} " in each]
        assert [each.partition(" - ")[2] for each in mine] == _written(wid).split("\n")[:-1]
        assert all(re.match(r"<30>1 \S+ \S+ talk \d+ stdout - ", each) for each in mine)
