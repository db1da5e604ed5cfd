"""Log files that others rotate: SIGUSR1, `circusctl reopen`, and logrotate(8) itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

COUNTING = "sh -c 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done'"


def counting(circusd: Start, log: Path, more: str = "", **circus: object) -> Daemon:
    section = f"[watcher:w]\ncmd = {COUNTING}\nstdout_stream.filename = {log}\n{more}"
    daemon = circusd(section, circus=circus)
    until(lambda: log.exists() and log.stat().st_size > 20)
    return daemon


def is_whole(daemon: Daemon, *logs: Path) -> None:
    """Stop what writes: its numbers are all there, in order."""
    daemon.watcher("w").do("stop")
    until(lambda: not _has_open(daemon.pid, logs[-1]))
    numbers = [int(line) for log in logs for line in log.read_text().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))


def _has_open(pid: int, path: Path) -> bool:
    links = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.append(os.readlink(each))
    return str(path) in links


@pytest.mark.parametrize("more", ["", "stdout_stream.max_bytes = 100MB\n", "stderr_stream.class = stdout\n"])
def test_sigusr1_opens_all_files_anew_also_that_of_the_daemon(
    circusd: Start, tmp_path: Path, more: str
) -> None:
    log, own = tmp_path / "log", tmp_path / "own.log"
    daemon = counting(circusd, log, more, logoutput=own)
    log.rename(tmp_path / "old")
    own.rename(tmp_path / "own.old")
    daemon.kill(signal.SIGUSR1)
    until(lambda: log.exists() and log.stat().st_size > 10)
    until(own.exists)
    is_whole(daemon, tmp_path / "old", log)


@pytest.mark.parametrize("words", [["reopen"], ["reopen", "w"], ["reopen", "W*"]])
def test_the_command_answers_when_the_files_are_open(
    circusd: Start, tmp_path: Path, words: list[str]
) -> None:
    log = tmp_path / "log"
    daemon = counting(circusd, log)
    log.rename(tmp_path / "old")
    done = daemon.ctl(*words)
    assert (done.returncode, done.stdout) == (0, "ok\n")
    assert log.exists()
    is_whole(daemon, tmp_path / "old", log)


def test_the_command_says_why_a_file_is_not_open(circusd: Start, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    daemon = counting(circusd, folder / "log")
    folder.rename(tmp_path / "old")
    done = daemon.ctl("reopen", "w")
    assert done.returncode == 3
    assert f"not opened yet, and tried on: w: no such file or directory: '{folder}/log'" in done.stderr
    folder.mkdir()
    until(lambda: (folder / "log").exists())
    is_whole(daemon, tmp_path / "old" / "log", folder / "log")


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
class TestLogrotate:
    def rotate(self, folder: Path, log: Path, *lines: str) -> None:
        config = folder / "logrotate.conf"
        config.write_text("\n".join([f'"{log}" {{', "rotate 9", *lines, "}\n"]))
        config.chmod(0o600)
        subprocess.run(
            ["logrotate", "--force", "--state", str(folder / "state"), str(config)], check=True, timeout=60
        )

    def test_create_with_a_signal_loses_nothing(self, circusd: Start, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        log = tmp_path / "log"
        daemon = counting(circusd, log)
        kill = ["postrotate", f"kill -USR1 {daemon.pid}", "endscript"]
        for size in (10, 20, 30):
            self.rotate(tmp_path, log, "create", *kill)
            until(lambda size=size: log.stat().st_size > size)  # type: ignore[misc]
        is_whole(daemon, *(tmp_path / f"log.{number}" for number in (3, 2, 1)), log)

    def test_create_needs_no_signal_with_a_watched_file(self, circusd: Start, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        log = tmp_path / "log"
        daemon = counting(circusd, log, "stdout_stream.class = WatchedFileStream\n")
        for size in (10, 20, 30):
            self.rotate(tmp_path, log, "create")
            until(lambda size=size: log.stat().st_size > size)  # type: ignore[misc]
        is_whole(daemon, *(tmp_path / f"log.{number}" for number in (3, 2, 1)), log)

    @pytest.mark.parametrize("more", ["", "stdout_stream.time_format = T\n"])
    def test_copytruncate_leaves_no_gap(self, circusd: Start, tmp_path: Path, more: str) -> None:
        tmp_path.chmod(0o700)
        log = tmp_path / "log"
        daemon = counting(circusd, log, more)
        for _ in range(3):
            self.rotate(tmp_path, log, "copytruncate")
            until(lambda: log.stat().st_size > 20)
        daemon.watcher("w").do("stop")
        files = [*(tmp_path / f"log.{number}" for number in (3, 2, 1)), log]
        data = b"".join(each.read_bytes() for each in files)
        assert b"\0" not in data
        numbers = [int(line.rpartition(b" ")[2]) for line in data.splitlines()]
        gaps = [number for last, number in pairwise(numbers) if number != last + 1]
        assert numbers == sorted(set(numbers))
        assert len(gaps) <= 3  # what comes between a copy and its truncation is lost: that is its way
