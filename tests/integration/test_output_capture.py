"""All output of fast programs arrives: nothing lost, doubled or reordered, through every class.

CIRCUS_TEST_MB says how much (2048 for a long look), CIRCUS_TEST_SECONDS how long 200 processes write.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty

import pytest

from circus_core.library import get_arbiter
from circus_streams import QueueStream
from tests.integration.daemon import Daemon, until
from tests.writer import LINE, check, expected, stripped_by, writer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MB = int(os.environ.get("CIRCUS_TEST_MB", "20"))
SECONDS = int(os.environ.get("CIRCUS_TEST_SECONDS", "2"))
LINES = MB * 1_000_000 // LINE
PATIENCE = 60.0 + MB
ROTATED_AT = min(64 << 20, MB * 1_000_000 // 8)

STAMPED = stripped_by(rb"\d\d:\d\d:\d\d \[\d+\] \| (.*)")
AS_JSON = stripped_by(rb'\{"time": "[^"]+", .*"message": "(.*)"\}')
COLOURED = stripped_by(rb"\x1b\[0;3\d;40m\d\d:\d\d:\d\d \[\d+\] \| (.*)\x1b\[0m")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return writer(tmp_path_factory.mktemp("writer"))


def run(folder: Path, command: str, stream: str, *, more: str = "") -> None:
    """Run a command under circusd until it has ended, and then circusd."""
    section = f"[watcher:w]\ncmd = {command}\nrespawn = False\nautostart = False\n{stream}\n{more}"
    with Daemon(folder / "d", section, circus={"logoutput": folder / "own.log"}) as daemon:
        daemon.watcher("w").do("start")
        daemon.events.wait_for(lambda event: event.action == "reap", deadline=PATIENCE)
        assert "dropped_bytes" not in daemon.call("stats")


def of_age(path: Path) -> list[Path]:
    """Return a file and its rotated ones, the oldest first."""
    rotated = [each for each in path.parent.iterdir() if each.name.startswith(path.name + ".")]
    numbers = {each: each.name.removeprefix(path.name + ".") for each in rotated}
    is_numbered = all(len(number) < 8 for number in numbers.values())
    rotated.sort(key=lambda each: -int(numbers[each]) if is_numbered else 0)
    if not is_numbered:
        rotated.sort(key=lambda each: [int(part) for part in numbers[each].split(".")])
    return [*rotated, path]


@pytest.mark.parametrize("size", [100, 4096, 65536])
@pytest.mark.parametrize(
    ("stream", "strip"),
    [
        ("FileStream", bytes),
        ("WatchedFileStream", bytes),
        ("TimedRotatingFileStream\nstdout_stream.rotate_when = S", bytes),
        ("FileStream\nstdout_stream.time_format = %H:%M:%S", STAMPED),
        ("WatchedFileStream\nstdout_stream.time_format = %H:%M:%S", STAMPED),
        (
            "TimedRotatingFileStream\nstdout_stream.rotate_when = S\nstdout_stream.time_format = %H:%M:%S",
            STAMPED,
        ),
        ("JsonStream", AS_JSON),
        ("FileStream\nstdout_stream.overflow = drop\nstdout_stream.overflow_after = 60", bytes),
    ],
    ids=["file", "watched", "timed", "file-time", "watched-time", "timed-time", "json", "drop"],
)
def test_a_file_gets_every_byte(
    program: str, size: int, stream: str, strip: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    log = tmp_path / "out.log"
    lines = LINES if size > 100 or strip is bytes else LINES // 4
    run(
        tmp_path,
        f"{program} {lines} {size} 0",
        f"stdout_stream.class = {stream}\nstdout_stream.filename = {log}",
    )
    assert check(of_age(log), strip) == lines


@pytest.mark.parametrize("size", [100, 4096, 65536])
@pytest.mark.parametrize("time_format", ["", "stdout_stream.time_format = %H:%M:%S\n"], ids=["plain", "time"])
@pytest.mark.parametrize("count", [5, 99])
def test_a_rotated_file_gets_every_byte(
    program: str, size: int, time_format: str, count: int, tmp_path: Path
) -> None:
    log = tmp_path / "out.log"
    strip = STAMPED if time_format else bytes
    run(
        tmp_path,
        f"{program} {LINES} {size} 0",
        f"stdout_stream.filename = {log}\nstdout_stream.max_bytes = {ROTATED_AT}\n"
        f"stdout_stream.backup_count = {count}\n{time_format}",
    )
    files = of_age(log)
    assert len(files) > 5
    assert len(files) == 6 if count == 5 else True
    assert all(ROTATED_AT * 0.99 < each.stat().st_size < ROTATED_AT for each in files[:-1])
    with files[0].open("rb") as oldest:
        match = re.search(rb"(?:\| |\A)(\d{12}) ", oldest.readline())
    assert match is not None
    first = int(match[1])
    assert (first == 0) is (count == 99)
    assert check(files, strip, first) == LINES


@pytest.mark.parametrize(
    ("stream", "strip"),
    [
        ("StdoutStream", bytes),
        ("StdoutStream\nstdout_stream.prefix = True", stripped_by(rb"w\.1 \| (.*)")),
        ("FancyStdoutStream\nstdout_stream.time_format = %H:%M:%S", COLOURED),
        ("JsonStream", AS_JSON),
    ],
    ids=["plain", "prefix", "fancy", "json"],
)
def test_standard_output_gets_every_byte(
    program: str, stream: str, strip: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    run(tmp_path, f"{program} {LINES} 4096 0", f"stdout_stream.class = {stream}")
    assert check([tmp_path / "d" / "circusd.log"], strip) == LINES


@pytest.mark.parametrize(
    ("stream", "pattern"),
    [
        ("SyslogStream", rb"<30>1 .* stdout - (\d{12}) x{86}"),
        ("JournaldStream", rb"(?s).*\nMESSAGE=(\d{12}) x{86}\n?"),
    ],
    ids=["syslog", "journald"],
)
def test_a_log_daemon_gets_every_line(program: str, stream: str, pattern: bytes, tmp_path: Path) -> None:
    lines = LINES // 20
    got: list[int] = []

    def receive(receiver: socket.socket) -> None:
        while len(got) < lines:
            datagram = receiver.recv(9999)
            match = re.fullmatch(pattern, datagram)
            assert match is not None, datagram
            got.append(int(match[1]))

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "socket"))
        receiver.settimeout(PATIENCE)
        thread = threading.Thread(target=receive, args=(receiver,))
        thread.start()
        run(
            tmp_path,
            f"{program} {lines} 4096 0",
            f"stdout_stream.class = {stream}\nstdout_stream.address = {tmp_path}/socket",
        )
        thread.join(PATIENCE)
    assert got == list(range(lines))


def test_a_queue_gets_every_byte(program: str) -> None:
    queue, got = QueueStream(maxsize=10), bytearray()

    async def main() -> None:
        section = {
            "name": "w",
            "cmd": f"{program} {LINES // 10} 4096 0",
            "respawn": False,
            "stdout_stream": {"stream": queue},
        }
        async with get_arbiter([section], with_endpoints=False) as arbiter:
            await arbiter.get_watcher("w").start()
            async with asyncio.timeout(PATIENCE):
                while len(got) < LINES // 10 * LINE:
                    await asyncio.get_running_loop().run_in_executor(None, take)

    def take() -> None:
        try:
            got.extend(queue.get(timeout=0.1)["data"])
        except Empty:
            return

    asyncio.run(main())
    assert bytes(got) == expected(0, LINES // 10)


def test_both_outputs_of_one_pipe_come_in_order(tmp_path: Path) -> None:
    (tmp_path / "both.py").write_text(
        "import os\nfor n in range(50_000): os.write(1 + n % 2, b'%d\\n' % n)\n"
    )
    log = tmp_path / "out.log"
    run(
        tmp_path,
        f"python3 {tmp_path}/both.py",
        f"stdout_stream.filename = {log}\nstderr_stream.class = stdout",
    )
    assert log.read_bytes() == b"".join(b"%d\n" % n for n in range(50_000))


@pytest.mark.parametrize("is_shared", [False, True])
def test_two_hundred_processes_lose_no_line(program: str, is_shared: bool, tmp_path: Path) -> None:
    lines = 1000 * SECONDS
    name = "all" if is_shared else "$(circus.wid)"
    (tmp_path / "logs").mkdir()
    stream = f"stdout_stream.filename = {tmp_path}/logs/{name}\n"
    section = (
        f"[watcher:w]\ncmd = sh -c '{program} {lines} 1 1000; exec sleep 1000'\nnumprocesses = 200\n"
        f"autostart = False\n{stream}"
    )
    whole = lines * LINE * 200
    with Daemon(tmp_path / "d", section) as daemon:
        daemon.call("start", name="w")
        until(
            lambda: sum(each.stat().st_size for each in (tmp_path / "logs").iterdir()) == whole,
            deadline=60 + 10 * SECONDS,
        )
        assert "dropped_bytes" not in daemon.call("stats")
    if is_shared:
        counts = dict.fromkeys(range(lines), 0)
        with (tmp_path / "logs" / "all").open("rb") as file:
            for line in file:
                counts[int(line[:12])] += 1
                assert line == expected(int(line[:12]), int(line[:12]) + 1)
        assert set(counts.values()) == {200}
    else:
        for each in (tmp_path / "logs").iterdir():
            assert check([each]) == lines


@pytest.fixture(autouse=True)
def _files_go(tmp_path: Path) -> Iterator[None]:
    """The folders of the last tests are kept: these files would fill the disk."""
    yield
    for each in tmp_path.rglob("*"):
        if each.is_file() and each.stat().st_size > 1_000_000:
            each.unlink()
