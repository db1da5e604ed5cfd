"""circusctl as a program, against a live controller."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from circus_core.cli.command_line import Settings
from circus_core.cli.conversation import ControlConversation
from circus_core.errors import CallTimeoutError
from circus_core.events import Added
from circus_core.states import WatcherState
from tests.controlled import NoHooks, Served
from tests.integration.ctl import PROGRAM, ctl_environment
from tests.integration.daemon import free_port, until


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path, served: Served) -> dict[str, str]:
    return ctl_environment(tmp_path, served.controller.endpoint)


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


BATCH = """\
# what goes wrong is said, and the next line is carried out
incr sleeper --bogus

foo   # no such command
set 'sleeper
status ghost
numwatchers
list 'web one'
"""


def test_commands_from_a_pipe_are_carried_out_one_by_one(environment: dict[str, str]) -> None:
    assert run(environment, typed="status sleeper\n\n# nothing\nNumWatchers # three\n") == (
        0,
        "active\n3\n",
        "",
    )


def test_a_batch_goes_on_after_mistakes_and_names_their_lines(environment: dict[str, str]) -> None:
    status, out, error = run(environment, typed=BATCH)
    assert (status, out) == (2, "3\n103\n")
    assert error.splitlines() == [
        "line 2: error: unrecognized arguments: --bogus",
        "line 4: error: unrecognized arguments: foo: no such command, see circusctl --help",
        "line 5: error: No closing quotation",
        "line 6: error: program ghost not found",
    ]


def test_a_batch_can_end_at_the_first_failure(environment: dict[str, str]) -> None:
    typed = "numwatchers\nstatus ghost\nlist\n"
    for words in (["-e"], ["--stop-on-error", "-"]):
        assert run(environment, *words, typed=typed) == (3, "3\n", "line 2: error: program ghost not found\n")


def test_a_batch_keeps_to_the_settings_of_the_program(environment: dict[str, str]) -> None:
    assert '"numwatchers": 3' in run(environment, "--json", typed="numwatchers\n")[1]
    there = environment["CIRCUSCTL_ENDPOINT"]
    typed = f"--endpoint ipc://nowhere --timeout 0.1 list\nlist --json\n--endpoint {there} list\n"
    status, out, error = run(environment, "-", typed=typed)
    assert (status, out.count('"watchers"'), out.splitlines()[1]) == (1, 1, "lazy,sleeper,web one")
    assert error.startswith("line 1: Timed out.")


def test_a_batch_needs_one_connection(environment: dict[str, str], served: Served) -> None:
    status, out, _ = run(environment, typed="numwatchers\n" * 500)
    assert (status, out) == (0, "3\n" * 500)


def test_bytes_that_are_no_text_are_a_name_that_nobody_has(environment: dict[str, str]) -> None:
    done = subprocess.run(
        PROGRAM,
        env=environment,
        input=b"status \xff\0\nnumwatchers\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, b"3\n")
    assert done.stderr.startswith(b"line 1: error: program ")
    assert b"Traceback" not in done.stderr


def test_no_standard_input_is_nothing_to_do(environment: dict[str, str]) -> None:
    words = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM]
    done = subprocess.run(words, env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_batch_may_ask_for_help(environment: dict[str, str]) -> None:
    assert run(environment, typed="incr --help\n")[1].startswith("usage: circusctl [options] incr W [N]")


def test_no_socket_file_is_told_from_no_listener_and_from_silence(
    environment: dict[str, str], tmp_path: Path
) -> None:
    def said(address: str) -> str:
        status, _, error = run(environment, "list", "--timeout", "0.2", "--endpoint", address)
        assert (status, error.splitlines()[0]) == (1, "Timed out.")
        return error

    port = free_port()  # nobody else gets it when it is closed
    with socket.create_server(("127.0.0.1", port)):
        assert "Something listens there, but says nothing" in said(f"tcp://127.0.0.1:{port}")
    assert "Nobody listens there" in said(f"tcp://127.0.0.1:{port}")
    assert "There is no such socket file" in said(f"ipc://{tmp_path}/none")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/left")
    assert "Nobody listens there" in said(f"ipc://{tmp_path}/left")


def test_the_configuration_file_tells_where_the_daemon_is(
    environment: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "circus.ini"
    config.write_text(
        f"[circus]\nendpoint = {environment['CIRCUSCTL_ENDPOINT']}\n[watcher:web]\ncmd = sleep 1\n"
    )
    elsewhere = {**environment, "CIRCUSCTL_ENDPOINT": f"ipc://{tmp_path}/nobody"}
    assert run(elsewhere, "--config", str(config), "numwatchers") == (0, "3\n", "")
    config.write_text("[circus\n")
    status, _, error = run(elsewhere, "--config", str(config), "numwatchers")
    assert (status, error.startswith(f"error: {config}:1: ")) == (1, True)


class Counting(NoHooks):
    """Counts the commands."""

    def __init__(self) -> None:
        self.commands: Counter[str] = Counter()

    async def before_command(self, identity: object, command: str, properties: Mapping[str, Any], /) -> None:
        self.commands[command] += 1


def test_who_waits_for_the_end_of_something_waits_as_long_as_the_daemon_lives(tmp_path: Path) -> None:
    hooks = Counting()
    stop = {"name": "sleeper", "waiting": True}
    with (
        Served(f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/e", hooks=hooks) as running,
        ControlConversation(Settings(endpoint=f"ipc://{tmp_path}/c"), patience=1) as daemon,
        ThreadPoolExecutor() as pool,
    ):
        running.hold()
        reply = pool.submit(daemon.ask, "stop", stop)
        until(lambda: hooks.commands["numwatchers"] > 1)
        assert not reply.done()
        running.release()
        assert reply.result(20)["status"] == "ok"
        assert hooks.commands["stop"] == 1


def test_who_waits_is_told_when_the_daemon_has_gone(tmp_path: Path) -> None:
    with (
        ControlConversation(Settings(endpoint=f"ipc://{tmp_path}/c"), patience=0.2) as daemon,
        ThreadPoolExecutor() as pool,
    ):
        with Served(f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/e") as running:
            running.hold()
            reply = pool.submit(daemon.ask, "stop", {"name": "sleeper", "waiting": True})
            until(lambda: running.arbiter.get_watcher("sleeper").state is WatcherState.STOPPED)
        with pytest.raises(CallTimeoutError):
            reply.result(20)


def test_with_a_timeout_waiting_ends_all_the_same(environment: dict[str, str], served: Served) -> None:
    served.hold()
    status, _, error = run(environment, "stop", "sleeper", "--waiting", "--timeout", "0.2")
    served.release()
    assert (status, error.splitlines()[0]) == (1, "Timed out.")


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
        try:
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
        finally:
            listening.kill()


@pytest.mark.parametrize("words", [["status"], ["--json", "list", "sleeper"], ["status", "ghost"]])
def test_the_client_side_stays_light(environment: dict[str, str], words: list[str]) -> None:
    heavy = {
        *("asyncio", "tornado", "psutil", "stevedore", "pluggy", "importlib.metadata", "tomllib"),
        *(
            "readline",
            "shlex",
            "cmd",
            "subprocess",
            "tempfile",
            "circus_core.clients.tunnel",
            "circus_core.config",
        ),
        *("circus_core.cli.shell", "circus_core.cli.batch", "circus_core.cli.completion"),
    }
    code = (
        "import sys; from circus_core.cli.circusctl import main; "
        f"main({words}); print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stderr.splitlines()[-1] == "[]"
