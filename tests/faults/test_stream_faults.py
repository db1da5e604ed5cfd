"""Streams in trouble under a real circusd: who writes waits or loses counted bytes, and all else goes on."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.daemon import Daemon, until
from tests.writer import LINE, check, expected, writer

Start = Callable[..., Daemon]

LINES = 30_000
STUCK = """
import os

class Stuck:
    '''Opens a named pipe for writing at its first chunk, and so waits for somebody to read it.'''

    def __init__(self, fifo):
        self.fifo, self.fd = fifo, -1

    def __call__(self, chunk):
        if self.fd < 0:
            self.fd = os.open(self.fifo, os.O_WRONLY)
        data = chunk["data"]
        while data:
            data = data[os.write(self.fd, data):]

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return writer(tmp_path_factory.mktemp("writer"))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


def section(program: str, stream: str, lines: int = LINES) -> str:
    return f"""
[watcher:w]
cmd = sh -c '{program} {lines} 4096 0; exec sleep 1000'
autostart = False
{stream}
[watcher:other]
cmd = sh -c 'while :; do echo tick; sleep 0.05; done'
stdout_stream.class = StdoutStream
"""


def supervision_goes_on(daemon: Daemon) -> None:
    """Another watcher is answered, and replaced, while the stream of this one is in trouble."""
    other = daemon.watcher("other")
    other.do("restart")
    assert other.status() == "active"


def written(folder: Path) -> int:
    """Return the bytes of all files; -1 if one was renamed just now."""
    try:
        return sum(each.stat().st_size for each in folder.iterdir())
    except FileNotFoundError:
        return -1


def lost(daemon: Daemon) -> int:
    """Return the bytes of `w` that were dropped so far."""
    return int(daemon.call("stats")["dropped_bytes"]["w"])


def wait_until_all_is_read(daemon: Daemon) -> None:
    """Wait until the child has written its 3 MB, and what finds no room was dropped: the loop reads it all.

    Otherwise the rest could find no room again, on a slow machine: a second time of dropping.
    """
    shell = psutil.Process(daemon.watcher("w").pid())
    until(lambda: shell.name() == "sleep")  # it has waited for the writer
    until(lambda: lost(daemon) > LINES * LINE * 2 // 3 and lost(daemon) == lost(daemon))


def told(daemon: Daemon) -> list[str]:
    return [
        event.action for event in daemon.events.all("w", "output_held", "output_resumed", "output_dropped")
    ]


@pytest.mark.root
@pytest.mark.parametrize("options", ["", "time_format = %H", "max_bytes = 70K", "overflow = block"])
def test_a_full_disk_holds_back_the_child_until_there_is_space(
    circusd: Start, program: str, options: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        more = f"stdout_stream.{options}\n" if options else ""
        more += "stdout_stream.backup_count = 99\n" if "max_bytes" in options else ""
        daemon = circusd(section(program, f"stdout_stream.filename = {disk}/log\n{more}"))
        daemon.watcher("w").do("start")
        (held,) = daemon.events.wait("w", "output_held")
        assert held.payload["reason"] == f"no space left on device: '{disk}/log'"
        supervision_goes_on(daemon)
        grow(disk)
        daemon.events.wait("w", "output_resumed")
        whole = LINES * (LINE + (len(f"00 [{daemon.watcher('w').pid()}] | ") if "time" in options else 0))
        until(lambda: written(disk) == whole)
        assert told(daemon) == ["output_held", "output_resumed"]
        daemon.watcher("w").do("stop")
        files = sorted(disk.iterdir(), key=lambda each: -int(each.suffix[1:] or 0))
        data = b"".join(each.read_bytes() for each in files)
        assert re.sub(rb"(?m)^.*\| ", b"", data) == expected(0, LINES)


@pytest.mark.root
def test_a_full_disk_drops_what_the_child_goes_on_writing(
    circusd: Start, program: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        stream = (
            f"stdout_stream.filename = {disk}/log\nstdout_stream.overflow = drop\n"
            "stdout_stream.overflow_after = 1\n"
        )
        daemon = circusd(section(program, stream))
        daemon.watcher("w").do("start")
        (dropped,) = daemon.events.wait("w", "output_dropped")
        assert dropped.payload["stream"] == "stdout"
        supervision_goes_on(daemon)
        wait_until_all_is_read(daemon)
        grow(disk)
        daemon.events.wait("w", "output_resumed")
        until(lambda: b"bytes dropped\n" in (disk / "log").read_bytes())
        assert told(daemon) == ["output_held", "output_dropped", "output_resumed"]
        data = (disk / "log").read_bytes()
        (marker,) = re.findall(rb"(?m)^(\d+) bytes dropped\n", data)
        assert int(marker) == lost(daemon)

        def kept() -> int:
            return len(re.sub(rb"(?m)^\d+ bytes dropped\n", b"", (disk / "log").read_bytes()))

        whole = LINES * LINE
        until(lambda: kept() + lost(daemon) in (whole, whole + 1))  # a line may be cut by a line end
        described = daemon.call("describe", name="w")
        assert str(lost(daemon)) in str(described)


@pytest.mark.parametrize("is_spliced", [True, False])
def test_a_folder_that_vanishes_is_waited_for(
    circusd: Start, program: str, is_spliced: bool, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    more = "" if is_spliced else "stdout_stream.time_format = %H\n"
    daemon = circusd(section(program, f"stdout_stream.filename = {logs}/log\n{more}"))
    daemon.watcher("w").do("start")
    (held,) = daemon.events.wait("w", "output_held")
    assert held.payload["reason"] == f"no such file or directory: '{logs}/log'"
    supervision_goes_on(daemon)
    logs.mkdir()
    daemon.events.wait("w", "output_resumed")
    until(lambda: (logs / "log").read_bytes().count(b"\n") == LINES)
    assert told(daemon) == ["output_held", "output_resumed"]


def test_a_file_that_is_removed_is_made_anew(circusd: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    daemon = circusd(
        "[watcher:w]\ncmd = sh -c 'while :; do echo tick; sleep 0.02; done'\n"
        f"stdout_stream.filename = {log}\n"
    )
    for _ in range(3):
        until(lambda: log.exists() and log.stat().st_size > 20)
        log.unlink()
    until(lambda: log.exists() and log.read_text().startswith("tick\n"))
    assert told(daemon) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_lost_permission_is_waited_for(circusd: Start, program: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o500)
    daemon = circusd(section(program, f"stdout_stream.filename = {logs}/log\n"))
    daemon.watcher("w").do("start")
    (held,) = daemon.events.wait("w", "output_held")
    assert held.payload["reason"] == f"permission denied: '{logs}/log'"
    logs.chmod(0o700)
    daemon.events.wait("w", "output_resumed")
    until(lambda: (logs / "log").stat().st_size == LINES * LINE)


@pytest.mark.root
def test_a_folder_that_is_read_only_is_waited_for(circusd: Start, program: str, tmp_path: Path) -> None:
    """As root: immutable, which is what a mode is for others."""
    folder = tmp_path / "logs"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=8m", "tmpfs", str(folder)], check=True)
    try:
        daemon = circusd(section(program, f"stdout_stream.filename = {folder}/log\n"))
        daemon.watcher("w").do("start")
        (held,) = daemon.events.wait("w", "output_held")
        assert held.payload["reason"] == f"read-only file system: '{folder}/log'"
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        daemon.events.wait("w", "output_resumed")
        until(lambda: (folder / "log").stat().st_size == LINES * LINE)
        daemon.watcher("w").do("stop")
        assert check([folder / "log"]) == LINES
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class TestBlockingSink:
    @pytest.fixture
    def fifo(self, tmp_path: Path) -> Path:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "daemon").mkdir()
        (tmp_path / "sinks.py").write_text(STUCK)
        return tmp_path / "fifo"

    def start(self, circusd: Start, program: str, fifo: Path, more: str = "") -> Daemon:
        path = os.pathsep.join(filter(None, [str(fifo.parent), os.environ.get("PYTHONPATH", "")]))
        stream = f"stdout_stream.class = sinks.Stuck\nstdout_stream.fifo = {fifo}\n{more}"
        daemon = circusd(section(program, stream), env={"PYTHONPATH": path})
        daemon.watcher("w").do("start")
        return daemon

    def test_it_is_told_of_and_all_arrives_when_somebody_reads(
        self, circusd: Start, program: str, fifo: Path
    ) -> None:
        daemon = self.start(circusd, program, fifo)
        (held,) = daemon.events.wait("w", "output_held")
        assert held.payload["reason"] == "it has not returned from a call for 5 s"
        supervision_goes_on(daemon)
        with fifo.open("rb") as reader:
            assert reader.read(LINES * LINE) == expected(0, LINES)
        daemon.events.wait("w", "output_resumed")
        assert told(daemon) == ["output_held", "output_resumed"]

    def test_it_drops_if_that_is_wanted(self, circusd: Start, program: str, fifo: Path) -> None:
        more = "stdout_stream.overflow = drop\nstdout_stream.overflow_after = 0.2\n"
        daemon = self.start(circusd, program, fifo, more)
        daemon.events.wait("w", "output_dropped")
        wait_until_all_is_read(daemon)
        received, whole = b"", expected(0, LINES)
        with fifo.open("rb") as reader:
            while (marker := re.search(rb"\n(\d+) bytes dropped\n", received)) is None:
                received += os.read(reader.fileno(), 65536)
            gone, kept = int(marker[1]), received[: marker.start() + 1]
            before = len(kept) if whole.startswith(kept) else len(kept) - 1  # its last line was cut
            while len(received) - marker.end() < len(whole) - gone - before:  # it may have gone on writing
                received += os.read(reader.fileno(), 65536)
        assert whole.startswith(kept[:before])
        assert whole.endswith(received[marker.end() :])
        assert lost(daemon) == gone
        assert "output_dropped" in told(daemon)

    @pytest.mark.parametrize("command", ["stop", "rm"])
    def test_it_does_not_keep_a_watcher_from_ending_nor_its_pipe_open(
        self, circusd: Start, program: str, fifo: Path, command: str
    ) -> None:
        daemon = self.start(circusd, program, fifo)
        daemon.events.wait("w", "output_held")
        daemon.watcher("w").do(command)
        until(lambda: "bytes lost" in daemon.log())
        daemon.stop()


def test_a_watcher_that_was_removed_without_a_stop_keeps_its_stream_until_its_processes_end(
    circusd: Start, tmp_path: Path
) -> None:
    log, end = tmp_path / "log", tmp_path / "end"
    code = f"'while [ ! -e {end} ]; do echo tick; sleep 0.02; done; echo last words'"
    daemon = circusd(f"[watcher:w]\ncmd = sh -c {code}\nstdout_stream.filename = {log}\n")
    until(lambda: log.exists() and log.stat().st_size > 20)
    daemon.call("rm", name="w", nostop=True)
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size)
    assert _has_open(daemon.pid, log)
    log.rename(tmp_path / "old")
    daemon.kill(10)  # SIGUSR1
    until(log.exists)
    end.touch()
    until(lambda: log.read_text().endswith("last words\n"))
    until(lambda: not _has_open(daemon.pid, log))


def _has_open(pid: int, path: Path) -> bool:
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(each) == str(path):
                return True
    return False
