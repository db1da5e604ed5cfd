"""What goes wrong with output: rows 1 to 3 and 35 of the promises about faults."""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from circus_core.output.pipes import Redirector
from circus_core.output.sinks import SinkRunner
from circus_core.workers import Workers
from circus_streams import FileStream

DEADLINE = 60.0


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(
            ["umount", "--lazy", str(folder)], check=True
        )  # also when a test fails with files open


@pytest.mark.root
@pytest.mark.parametrize("options", [{}, {"time_format": "%H:%M"}, {"max_bytes": "100K", "backup_count": 90}])
def test_no_line_is_lost_on_a_full_disk(
    options: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="circus")
    code = "import os\nfor n in range(40_000): os.write(1, b'%08d line of a program on a full disk\\n' % n)"

    async def scenario(log: Path) -> SinkRunner:
        workers = Workers()
        redirector = Redirector(asyncio.get_running_loop(), workers)
        runner = redirector.make_runner(FileStream(log, **options), label="watcher 'w': stdout")
        runner.open()
        ours, theirs = redirector.open_pipe()
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdout=theirs)
        os.close(theirs)
        try:
            pipe = redirector.attach(ours, runner, pid=child.pid, name="stdout", watcher="w", wid=1)
            await _until(lambda: runner.errors >= 2)
            assert child.poll() is None
            subprocess.run(["mount", "-o", "remount,size=8m", str(log.parent)], check=True)
            await _until(lambda: pipe.is_closed)
            assert await runner.close(timeout=DEADLINE)
            await redirector.close()
        finally:
            child.kill()
            child.wait()
            workers.close()
        return runner

    with _small_disk(tmp_path):
        log = tmp_path / "out.log"
        runner = asyncio.run(scenario(log))
        files = [path.read_bytes() for path in tmp_path.iterdir()]
    lines = [line.rpartition(b"| ")[2] for line in b"".join(files).splitlines()]
    assert sorted(lines) == [b"%08d line of a program on a full disk" % n for n in range(40_000)]
    assert all(content.endswith(b"\n") for content in files)
    assert runner.dropped_bytes == 0
    warning, info = caplog.records
    assert warning.getMessage() == (
        f"watcher 'w': stdout: no space left on device: '{log}'; output is held back until this works"
    )
    assert info.getMessage().startswith("watcher 'w': stdout: works again after ")


@pytest.mark.root
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the budget of pipes is Linux's")
def test_a_used_up_pipe_budget_is_told_once() -> None:
    code = (
        "import asyncio, logging, os, resource\n"
        "from circus_core.output.pipes import Redirector\n"
        "from circus_core.workers import Workers\n"
        "logging.basicConfig(format='%(message)s')\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000))\n"
        "os.setgroups([]); os.setgid(65531); os.setuid(65531)\n"
        "async def main():\n"
        "    r = Redirector(asyncio.get_running_loop(), Workers())\n"
        "    for _ in range(2000): r.open_pipe()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = done.stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("new output pipes hold only ")
