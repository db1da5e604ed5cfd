"""The backend on a machine in trouble: no processes, no descriptors, thousands of deaths, signal storms."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVarTuple

import psutil
import pytest

from circus_core import get_arbiter
from tests.integration.backend_runs import DEADLINE, run_scenario, until

if TYPE_CHECKING:
    from _typeshed import HasFileno

_Ts = TypeVarTuple("_Ts")

WATCHER = {
    "name": "w",
    "cmd": "sleep 1000",
    "autostart": False,
    "stdout_stream.class": "StdoutStream",
    "stderr_stream.class": "StdoutStream",
}


@pytest.mark.root
def test_no_more_processes_is_a_shortage_that_touches_nothing_and_passes() -> None:
    """The limit counts all processes of a user, and root has none: so one of its own."""
    found = run_scenario("no_more_processes", uid=65527)
    assert found["shortage"]
    assert "the limit of processes" in found["reason"]
    assert found["siblings"] == [True] * found["started"]
    assert found["afterwards"] == 0


@pytest.mark.parametrize("gated", ["", "gated"])
def test_no_more_descriptors_is_a_shortage_that_leaves_nothing(gated: str) -> None:
    found = run_scenario("no_more_descriptors", gated)
    assert found["shortage"]
    assert "no free descriptor" in found["reason"]
    assert found["siblings"] == [True] * found["started"]
    assert found["children"] == found["started"]
    assert found["afterwards"] == 0


@pytest.mark.parametrize("gated", ["", "gated"])
def test_a_process_that_can_not_be_watched_is_killed_with_all_that_it_started(gated: str) -> None:
    found = run_scenario("no_more_watches", gated)
    assert "watches too many descriptors" in found["reason"]
    assert found["gone"]
    assert found["next"] == 0
    assert found["told"] == []


class FullLoop(asyncio.SelectorEventLoop):
    """Watches the pipes of `room` more outputs; the next is refused, and then there is room again."""

    room: int | None = None

    def add_reader(self, fd: int | HasFileno, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        if self.room == 0:
            self.room = None
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.room is not None:
            self.room -= 1
        super().add_reader(fd, callback, *args)


@pytest.mark.parametrize("room", [0, 1])
def test_a_process_whose_output_can_not_be_read_is_killed_and_its_start_tried_again(
    room: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FullLoop)
        arbiter = get_arbiter([WATCHER], with_endpoints=False)
        async with arbiter:
            watcher = arbiter.get_watcher("w")
            arbiter.backend("local")  # its reader comes first
            loop.room = room
            descriptors = len(os.listdir("/proc/self/fd"))
            await watcher.start()
            while len(watcher.processes) < 1:
                await asyncio.sleep(0.01)
            await until(lambda: [child.pid for child in children()] == list(watcher.processes))
            assert len(os.listdir("/proc/self/fd")) == descriptors + 3  # two pipes, one pidfd
        assert children() == []

    def children() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child.name() == "sleep"]

    with asyncio.Runner(loop_factory=FullLoop) as runner:
        runner.run(asyncio.wait_for(run(), DEADLINE))
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["error in 'w': can't wait for its output: no space left on device"]


@pytest.mark.root
@pytest.mark.slow
def test_a_descendant_that_can_not_be_killed_delays_the_exit_report_but_not_for_ever(tmp_path: Path) -> None:
    """A setuid program of root below an ordinary user's daemon stands for all that SIGKILL does not end."""
    python = shutil.which("python3", path=os.defpath)
    if python is None:
        pytest.skip("needs a Python that every user may run")
    copy = Path(shutil.copy(python, tmp_path / "python"))
    copy.chmod(0o4755)
    tmp_path.chmod(0o711)
    found = run_scenario("survivor", str(copy), uid=65527)
    os.kill(found["left"], signal.SIGKILL)
    assert (found["code"], found["other"], found["waited_for"]) == (3, 0, True)
    assert f"has ended, but {found['left']} that it left behind did not die within 5 s" in found["log"]


@pytest.mark.parametrize("adopting", ["adopting", "embedded"])
def test_thousands_of_deaths_at_once_are_each_reported_once(adopting: str) -> None:
    found = run_scenario("mass_death", "1000", adopting)
    assert found["codes"] == {"-9": 1000}
    assert found["children"] == []


@pytest.mark.slow
def test_a_death_among_two_thousand_costs_less_than_a_fifth_of_a_millisecond_of_cpu() -> None:
    found = run_scenario("mass_death", "2000", "adopting")
    assert found["codes"] == {"-9": 2000}
    assert found["cpu"] / 2000 < 0.0002  # 0.00003 on a quiet machine


def test_sigterm_is_not_lost_in_a_storm_of_other_signals() -> None:
    found = run_scenario("storm")
    assert found["terms"] == 1
    assert found["children_seen"] > 0
    assert "wakeup" not in found["log"]
