"""The backend on a machine in trouble: no processes, no descriptors, thousands of deaths, signal storms."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.integration.backend_runs import run_scenario


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
def test_five_thousand_deaths_at_once_cost_less_than_a_second_of_cpu() -> None:
    found = run_scenario("mass_death", "5000", "adopting")
    assert found["codes"] == {"-9": 5000}
    assert found["cpu"] < 1.0


def test_sigterm_is_not_lost_in_a_storm_of_other_signals() -> None:
    found = run_scenario("storm")
    assert found["terms"] == 1
    assert found["children_seen"] > 0
    assert "wakeup" not in found["log"]
