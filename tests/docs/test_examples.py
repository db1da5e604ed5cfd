"""Every example starts and does what it says."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.stack import EXAMPLES, PROGRAMS, Stack, alive, copy_example, free_ports, wait_until

ENDPOINTS = (5555, 5556)
TESTED = {
    "embedding": "here",
    "hooks": "here",
    "own_stream": "here",
    "streams": "here",
    "tutorial": "here",
    "webapp": "tests/integration/test_demo.py",
}


def test_every_example_has_a_test() -> None:
    assert {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()} == set(TESTED)


@pytest.mark.parametrize("name", sorted(TESTED))
def test_every_example_says_what_it_is(name: str) -> None:
    assert (EXAMPLES / name / "README.md").read_text().startswith("# ")


def test_a_hook_waits_for_a_service_and_another_notes_the_pid(tmp_path: Path) -> None:
    new = copy_example("hooks", tmp_path, (8010, *ENDPOINTS))
    with Stack(tmp_path, endpoint=f"tcp://127.0.0.1:{new[5555]}") as stack:
        stack.wait_until_up()
        stack.wait_for_status("client", "active")
        wait_until(lambda: "client: the service says hello" in stack.log(), stack.log)
        (pid,) = stack.pids("client")
        assert (tmp_path / "client.pid").read_text() == f"{pid}\n"  # before it is active
        assert "Traceback" not in stack.log()


def test_a_stream_class_of_the_user_gets_whole_output(tmp_path: Path) -> None:
    new = copy_example("own_stream", tmp_path, ENDPOINTS)
    output = tmp_path / "talker.jsonl"

    def records() -> list[dict[str, object]]:
        return [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []

    with Stack(tmp_path, endpoint=f"tcp://127.0.0.1:{new[5555]}", environment={"PYTHONPATH": "."}) as stack:
        wait_until(lambda: len(records()) == 4, stack.log)
        (pid,) = stack.pids("talker")
    assert {record["pid"] for record in records()} == {pid}
    stdout = [record["line"] for record in records() if record["stream"] == "stdout"]
    assert stdout == ["one it is", "two it is", "three it is"]
    assert [record["line"] for record in records() if record["stream"] == "stderr"] == ["and that was all"]


def test_streams_share_out_what_processes_write(tmp_path: Path) -> None:
    new = copy_example("streams", tmp_path, ENDPOINTS)
    objects = tmp_path / "counter.jsonl"
    with Stack(tmp_path, endpoint=f"tcp://127.0.0.1:{new[5555]}") as stack:
        warnings = [f"report.{number} | {number} skipped number 13" for number in (1, 2)]
        wait_until(lambda: all(each in stack.log() for each in warnings), stack.log)
        rotated = [tmp_path / f"report.{number}.log.2.gz" for number in (1, 2)]
        wait_until(lambda: all(each.exists() for each in rotated), stack.log)
        wait_until(lambda: objects.exists() and objects.read_text().count("\n") > 13, stack.log)
    for packed in tmp_path.glob("report.*.gz"):
        wid = packed.name.split(".")[1]
        lines = gzip.decompress(packed.read_bytes()).decode().splitlines()
        assert all(re.fullmatch(rf"\d\d:\d\d:\d\d \[\d+\] \| {wid} has .*", line) for line in lines)
    records = [json.loads(line) for line in objects.read_text().splitlines()]
    assert next(each["message"] for each in records if each["stream"] == "stderr") == "3 skipped number 13"
    assert {each["watcher"] for each in records} == {"counter"}


def test_a_program_embeds_the_arbiter(tmp_path: Path) -> None:
    program = EXAMPLES / "embedding" / "program.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == [
        "2 processes",
        "3 processes",
        "3 processes",
        "all gone",
    ]


def test_the_tutorial_of_circus_runs_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to(PROGRAMS)
    ports = copy_example("tutorial", tmp_path, [9999])
    config = tmp_path / "circus.ini"
    endpoint = _with_own_endpoints(config)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "CIRCUSCTL_ENDPOINT": endpoint}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )

    try:
        started = run("bin/circusd", "--daemon", "circus.ini")
        assert started.returncode == 0, started.stdout + started.stderr
        wait_until(lambda: "webapp: active" in run("bin/circusctl", "status").stdout, "active")
        assert _fetch(ports[9999]) == b"hello world"

        first = run("bin/circusctl", "list", "webapp").stdout.strip().split(",")
        assert len(first) == 3
        assert run("bin/circusctl", "incr", "webapp", "--waiting").stdout.strip() == "4"
        more = run("bin/circusctl", "list", "webapp").stdout.strip().split(",")
        assert more[:3] == first
        assert len(more) == 4

        wait_until(lambda: "circushttpd: active" in run("bin/circusctl", "status").stdout, "active")
        token = run("bin/circushttpd", "token", "--bare").stdout.strip()

        def dashboard_knows() -> bool:
            overview = _ask_dashboard(config, token)
            running = overview["watchers"].get("webapp", {}).get("running")
            return running == 4 and bool(overview["daemon"]["stats"]["is_on"])

        wait_until(dashboard_knows, lambda: str(_ask_dashboard(config, token)))

        family = _family(int(first[0]))
        assert set(map(int, more)) <= {process.pid for process in family}
        assert run("bin/circusctl", "quit").stdout.strip() == "ok"
        wait_until(lambda: not alive(family), lambda: f"left: {alive(family)}")
    finally:
        run("bin/circusctl", "--timeout", "1", "quit")


def _fetch(port: int) -> bytes:
    """Ask a server of HTTP/1.0, which may end its answer by closing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
        body: bytes = response.read()
        return body


def _with_own_endpoints(config: Path) -> str:
    """Let the configuration, which names none, have endpoints in its folder; returns the control endpoint."""
    endpoints = ("endpoint", "pubsub_endpoint", "stats_endpoint")
    lines = "".join(f"{name} = ipc://{config.parent}/{name}\n" for name in endpoints)
    lines += f"httpd_port = {free_ports(1)[0]}\n"
    config.write_text(config.read_text().replace("[circus]\n", f"[circus]\n{lines}"))
    return f"ipc://{config.parent}/endpoint"


def _ask_dashboard(config: Path, token: str) -> Any:
    """Return the overview that the dashboard gives to who has the token."""
    port = re.findall(r"httpd_port = (\d+)", config.read_text())[0]
    url = f"http://localhost:{port}/api/daemons/main/watchers"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def _family(worker: int) -> list[psutil.Process]:
    """Return the daemon of a worker and all that it has started."""
    daemon = psutil.Process(worker).parent()
    assert daemon is not None
    return [daemon, *daemon.children(recursive=True)]
