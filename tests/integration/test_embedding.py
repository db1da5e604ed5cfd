"""A host program with children of its own embeds an arbiter in a thread: nobody's children are mixed up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOST = """\
import asyncio, contextlib, json, logging, os, signal, subprocess, sys, threading, time, warnings
from circus_core.library import get_arbiter

logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)}
arbiter = get_arbiter(
    [{"cmd": "sleep 1000", "name": "steady", "numprocesses": 3},
     {"cmd": "true", "name": "dying", "numprocesses": 2}],
    background=True, with_endpoints=False,
)
steady = arbiter.get_watcher if False else None

async def own_children():
    async def child(code):
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"sleep 0.0{code % 10}; exit {code}")
        return await process.wait()
    async def session(code):
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f"exit {code}", start_new_session=True)
        await asyncio.sleep(0.05)
        return await process.wait()
    return await asyncio.gather(*(child(n) for n in range(30)), *(session(n) for n in range(30)))

def kill_some():
    for _ in range(3):
        time.sleep(0.05)
        for pid in list(arbiter.get_watcher("steady").processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

found = {}
with arbiter:
    killer = threading.Thread(target=kill_some)
    killer.start()
    popen = [subprocess.Popen(["/bin/sh", "-c", f"exit {n}"]) for n in range(20)]
    found["asyncio"] = asyncio.run(own_children())
    found["popen"] = [p.wait() for p in popen]
    found["system"] = os.waitstatus_to_exitcode(os.system("exit 5"))
    killer.join()
    deadline = time.monotonic() + 20
    while len(arbiter.get_watcher("steady").processes) != 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    found["steady"] = len(arbiter.get_watcher("steady").processes)
    pids = list(arbiter.get_watcher("steady").processes)
found["left"] = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
found["handlers kept"] = before == {s: signal.getsignal(s) for s in before}
found["threads"] = [t.name for t in threading.enumerate() if t.name == "circus arbiter"]
print(json.dumps(found))
""".replace("steady = arbiter.get_watcher if False else None\n", "")


@pytest.mark.parametrize("round_", range(2))
def test_no_child_of_the_host_is_reaped_by_the_arbiter(tmp_path: Path, round_: int) -> None:
    script = tmp_path / "host.py"
    script.write_text(HOST)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["asyncio"] == [*range(30), *range(30)]
    assert found["popen"] == list(range(20))
    assert found["system"] == 5
    assert found["steady"] == 3
    assert found["left"] == []
    assert found["handlers kept"]
    assert found["threads"] == []
    assert "Unknown child" not in done.stderr
    assert "Traceback" not in done.stderr
