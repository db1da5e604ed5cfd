"""circusctl as a program, against a live controller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.events import Added
from tests.controlled import ROOT, Served, kernel_commands


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path, served: Served) -> dict[str, str]:
    """The environment of a circusctl of this checkout, whatever is installed."""
    metadata = tmp_path / "installed" / "circus_core-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    lines = [f"{name} = {place}\n" for name, place in kernel_commands().items()]
    (metadata / "entry_points.txt").write_text("[circus.commands]\n" + "".join(lines))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: circus-core\nVersion: 0.1.0\n")
    path = os.pathsep.join([str(metadata.parent), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "CIRCUSCTL_ENDPOINT": served.controller.endpoint}


PROGRAM = [sys.executable, "-m", "circus_core.cli.circusctl"]


def run(environment: dict[str, str], *words: str, typed: str = "") -> tuple[int, str, str]:
    """Return exit status, standard output and standard error."""
    done = subprocess.run(
        [*PROGRAM, *words], env=environment, input=typed, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_an_answer_is_printed(environment: dict[str, str]) -> None:
    assert run(environment, "status") == (0, "Sleeper: active\nlazy: stopped\nweb one: active\n", "")
    assert run(environment, "list", "sleeper") == (0, "101,102\n", "")


def test_a_refusal_is_printed_and_ends_with_3(environment: dict[str, str]) -> None:
    assert run(environment, "status", "ghost") == (3, "", "error: program ghost not found\n")
    assert run(environment, "globaloptions", "zz") == (3, "", "'zz' not an existing option\n")


def test_json_is_one_line_and_errors_end_with_3_too(environment: dict[str, str]) -> None:
    status, out, _ = run(environment, "--json", "status", "ghost")
    assert (status, json.loads(out)["reason"], out.count("\n")) == (3, "program ghost not found", 1)
    status, out, _ = run(environment, "list", "--json", "--prettify")
    assert (status, json.loads(out)["status"], out.count("\n") > 3) == (0, "ok", True)


def test_arguments_that_make_no_sense_end_with_1(environment: dict[str, str]) -> None:
    status, out, error = run(environment, "set", "sleeper", "numprocesses", "x")
    assert (status, out, error) == (1, "", "error: 'numprocesses' isn't an integer\n")


def test_no_answer_ends_with_1_and_an_explanation(environment: dict[str, str], tmp_path: Path) -> None:
    status, out, error = run(
        environment, "list", "--timeout", "0.1", "--endpoint", f"ipc://{tmp_path}/nobody"
    )
    assert (status, out, error.splitlines()[0]) == (1, "", "Timed out.")
    assert f"ipc://{tmp_path}/nobody" in error


def test_an_endpoint_that_is_none_ends_with_1(environment: dict[str, str]) -> None:
    status, _, error = run(environment, "list", "--endpoint", "nonsense")
    assert (status, error) == (1, "error: endpoint must be tcp://HOST:PORT or ipc://PATH, got 'nonsense'\n")


def test_version_and_help_need_no_daemon(environment: dict[str, str]) -> None:
    assert run(environment, "--version") == (0, "circusctl 0.1.0\n", "")
    assert "  numwatchers " in run(environment, "--help")[1]
    assert run(environment, "incr", "--help")[1].startswith("usage: circusctl [options] incr W [N]")


def test_the_shell_goes_on_after_mistakes(environment: dict[str, str]) -> None:
    typed = "incr sleeper --bogus\nfoo\n\nset 'sleeper\nhelp incr\nnumwatchers\n"
    status, out, error = run(environment, typed=typed)
    assert status == 0
    assert out.startswith("circusctl 0.1.0\nSleeper: active\nlazy: stopped\nweb one: active\n(circusctl) ")
    assert "*** Unknown syntax: foo" in out
    assert "(circusctl) usage: circusctl [options] incr" in out
    assert out.endswith("(circusctl) 3\n(circusctl) \n")
    assert "unrecognized arguments: --bogus" in error


def test_the_shell_keeps_to_the_settings_of_the_program(environment: dict[str, str]) -> None:
    _, out, _ = run(environment, "--json", typed="numwatchers\n")
    assert '"numwatchers": 3' in out


def test_completion_gives_the_commands_that_fit(environment: dict[str, str]) -> None:
    words = {"AUTO_COMPLETE": "1", "COMP_WORDS": "circusctl num", "COMP_CWORD": "1"}
    assert run({**environment, **words}) == (1, "numprocesses numwatchers\n", "")
    assert run({**environment, **words, "COMP_CWORD": "2"}) == (1, "\n", "")


@pytest.mark.parametrize("given", ["asked", "typed"])
def test_listen_prints_events_until_interrupted(
    environment: dict[str, str], served: Served, given: str
) -> None:
    words = ["--endpoint", served.controller.pubsub_endpoint] if given == "typed" else []
    with subprocess.Popen(
        [*PROGRAM, *words, "listen", "watcher.w."], env=environment, stdout=subprocess.PIPE, text=True
    ) as listening:
        assert listening.stdout is not None
        os.set_blocking(listening.stdout.fileno(), False)
        deadline, line = time.monotonic() + 30, ""
        while not line:
            served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
            line = listening.stdout.readline()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert line == "b'watcher.w.add': b'{\"time\": 1.5}'\n"
        listening.send_signal(signal.SIGINT)
        assert listening.wait(20) == 0


def test_the_client_side_stays_light(environment: dict[str, str]) -> None:
    code = (
        "import sys, circus_core.cli.circusctl, circus_core.client; "
        "heavy = {'asyncio', 'tornado', 'psutil', 'stevedore', 'pluggy', 'importlib.metadata'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
