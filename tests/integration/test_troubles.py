"""What who waits is told when it does not work, or can't."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from circus_core.clients.client import CircusClient
from circus_core.commands import Start
from circus_core.errors import RefusedError
from tests.integration.daemon import Daemon, is_alive, until

Start_ = Callable[..., Daemon]

BROKEN = """
[watcher:w]
cmd = no-such-program-at-all
autostart = False
max_retry = 2

[watcher:good]
cmd = sleep 1000
"""


def test_a_start_that_is_waited_for_says_why_it_did_not_work(circusd: Start_) -> None:
    daemon = circusd(BROKEN)
    reply = daemon.watcher("w").do("start")
    assert reply["status"] == "ok"
    assert reply["info"] == {"started": [], "kept": []}
    assert "could not be started in 2 tries: no such program" in reply["troubles"]["w"]


def test_circusctl_prints_why_and_exits_with_3(circusd: Start_) -> None:
    daemon = circusd(BROKEN)
    found = daemon.ctl("start", "w", "--waiting")
    assert (found.returncode, found.stdout) == (3, "")
    assert found.stderr.startswith("error: w: could not be started in 2 tries: no such program")
    found = daemon.ctl("--json", "start", "w", "--waiting")
    assert found.returncode == 3
    assert json.loads(found.stdout)["status"] == "ok"


def test_what_went_well_has_no_trouble(circusd: Start_) -> None:
    daemon = circusd(BROKEN)
    for command in ("restart", "reload", "stop", "start"):
        assert "troubles" not in daemon.watcher("good").do(command)
    assert "troubles" not in daemon.call("start", waiting=True)


def test_a_program_that_reads_results_has_the_troubles(circusd: Start_) -> None:
    daemon = circusd(BROKEN)
    with CircusClient(daemon.endpoint, timeout=20) as client:
        result: Any = client.run(Start, name="w", waiting=True)
    assert "could not be started" in result.troubles["w"]


def test_a_reload_into_a_program_that_crashes_ends_with_why(circusd: Start_) -> None:
    daemon = circusd(BROKEN)
    before = daemon.watcher("good").until_pids(1)
    daemon.watcher("good").do("set", options={"cmd": "false"})
    assert "backoff: exit 1" in daemon.watcher("good").do("reload")["troubles"]["good"]
    assert set(before) <= set(daemon.watcher("good").pids())  # and the new one, when it is tried again


def test_a_reload_into_a_program_that_crashes_and_is_not_respawned_keeps_what_runs(circusd: Start_) -> None:
    once = circusd(BROKEN + "numprocesses = 2\nrespawn = False\n").watcher("good")
    before = once.until_pids(2)
    once.do("set", options={"cmd": "false"})
    abandoned = "reload abandoned: its new process ended at once: exit 1"
    assert once.do("reload")["troubles"]["good"] == abandoned
    assert once.pids() == before
    assert once.do("reload", sequential=True)["troubles"]["good"] == abandoned
    assert once.pids() == before[1:]
    assert once.status() == "active"
    once.do("set", options={"cmd": "sleep 1001"})
    assert len(once.pids()) == 2
    assert set(before).isdisjoint(once.pids())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"uid": "no-such-user"}, "uid = 'no-such-user': no such user"),
        ({"gid": 4_000_000_000}, "gid = 4000000000: no group has this number"),
        ({"hooks": {"bogus": "a.b"}}, "there is no hook called 'bogus'"),
        ({"hooks.before_start": "no_such_module.f"}, "no_such_module.f can't be imported"),
    ],
)
def test_what_can_not_be_set_is_refused_at_once(
    circusd: Start_, options: dict[str, Any], reason: str
) -> None:
    daemon = circusd(BROKEN)
    with pytest.raises(RefusedError, match=reason) as refused:
        daemon.watcher("good").do("set", options=options)
    assert refused.value.errno == 3


# A process that hangs in the kernel can't be made here: its backend loses SIGKILL on the way.

IMMORTAL = """
import signal
from circus_core.backends.posix import PosixBackend


class Child:
    def __init__(self, child):
        self._child = child

    def __getattr__(self, name):
        return getattr(self._child, name)

    def send_signal(self, signum):
        return signum == signal.SIGKILL or self._child.send_signal(signum)

    def send_signal_group(self, signum):
        return True


class Backend(PosixBackend):
    def spawn(self, request, on_exit):
        return Child(super().spawn(request, on_exit))
"""


@contextmanager
def ended_by_us(daemon: Daemon) -> Iterator[None]:
    """The processes that circusd can't end are ended at last."""
    deaf = daemon.folder / "deaf"
    until(deaf.exists)
    deaf.unlink()
    pids = daemon.watcher("w").until_pids(1)
    try:
        yield
    finally:
        for pid in pids:
            os.killpg(pid, signal.SIGKILL)
        until(lambda: not any(is_alive(pid) for pid in pids))


def test_a_process_that_does_not_even_end_by_sigkill_is_told_of_in_bounded_time(circusd: Start_) -> None:
    daemon = circusd()
    daemon.folder.joinpath("immortal.py").write_text(IMMORTAL)
    daemon.write_ini(f"""
        [watcher:w]
        cmd = sh -c "trap '' TERM; touch deaf; exec sleep 1000"
        working_dir = {daemon.folder}
        backend = immortal.Backend
        graceful_timeout = 0.1
    """)
    daemon.call("restart", waiting=True)
    until(lambda: "w" in daemon.call("list")["watchers"])
    watcher = daemon.watcher("w")
    with ended_by_us(daemon):
        pid = watcher.pid()
        reply = watcher.do("stop")
        assert reply["troubles"] == {"w": f"not even ended by SIGKILL: {pid}"}
        assert watcher.status() == "stopping"
        assert daemon.events.wait("w", "unkillable")[0].payload["process_pid"] == pid
        assert f"process {pid} does not even end by SIGKILL" in daemon.log()
        assert watcher.do("start")["troubles"] == {"w": f"not even ended by SIGKILL: {pid}"}
    watcher.until("active")
    with ended_by_us(daemon):
        daemon.kill(signal.SIGTERM)
        daemon.wait()
        assert "left behind, they do not even end by SIGKILL" in daemon.log()
