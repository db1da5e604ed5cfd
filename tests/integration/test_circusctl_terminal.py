"""circusctl as somebody at a terminal sees it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.events import Added
from tests.controlled import Served
from tests.integration.ctl import PROGRAM, ctl_environment
from tests.integration.daemon import until
from tests.integration.terminal import TMUX, Terminal

pytestmark = pytest.mark.skipif(TMUX is None, reason="needs tmux")

PROMPT = "(circusctl)"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events") as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path, served: Served) -> dict[str, str]:
    return ctl_environment(tmp_path, served.controller.endpoint)


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    with Terminal(tmp_path, PROGRAM, environment) as terminal:
        terminal.wait_for_line(PROMPT)
        yield terminal


def test_the_shell_begins_with_the_version_and_the_states(shell: Terminal) -> None:
    assert shell.screen() == f"circusctl 0.1.0\nSleeper: active\nlazy: stopped\nweb one: active\n{PROMPT}"


def test_states_prompt_and_errors_have_colours(shell: Terminal) -> None:
    shell.type("status ghost", "Enter")
    shell.wait_for("program ghost not found")
    shell.wait_for_line(PROMPT)
    screen = shell.screen(colours=True)
    assert "\x1b[32mactive" in screen
    assert "\x1b[31mstopped" in screen
    assert f"\x1b[1m\x1b[39m{PROMPT}" in screen
    assert "\x1b[31merror: program ghost not found" in screen


@pytest.mark.parametrize("said", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(
    tmp_path: Path, environment: dict[str, str], said: dict[str, str]
) -> None:
    words = ["env", *(f"{name}={value}" for name, value in said.items()), *PROGRAM]
    with Terminal(tmp_path, words, environment) as terminal:
        terminal.wait_for_line(PROMPT)
        assert "\x1b[3" not in terminal.screen(colours=True)


def test_tab_completes_commands_watchers_switches_and_values(shell: Terminal) -> None:
    for typed, completed in [
        ("numw", "numwatchers"),
        ("status sl", "status Sleeper"),
        ("stop web", "stop 'web one'"),
        ("stop 'web o", "stop 'web one'"),
        ("incr --wa", "incr --waiting"),
        ("start --match gl", "start --match glob"),
        ("start --match=gl", "start --match=glob"),
        ("kill Sleeper 101 --signum HU", "kill Sleeper 101 --signum HUP"),
        ("signal lazy USR1", "signal lazy USR1"),
        ("get Sleeper num", "get Sleeper numprocesses"),
        ("set Sleeper resp", "set Sleeper respawn"),
        ("set Sleeper respawn f", "set Sleeper respawn false"),
        ("globaloptions pub", "globaloptions pubsub_endpoint"),
        ("help nump", "help numprocesses"),
        ("--js", "--json"),
    ]:
        shell.complete(typed, f"{PROMPT} {completed}")
        shell.type("C-u")
        shell.wait_for_line(PROMPT)


def test_tab_lists_what_there_is(shell: Terminal) -> None:
    shell.complete("signal Sleeper 1", f"{PROMPT} signal Sleeper 10")
    shell.type("Tab", "Tab")
    shell.wait_for("\n101  102\n")
    shell.wait_for_line(f"{PROMPT} signal Sleeper 10")


def test_tab_is_quick_and_quiet_without_a_daemon(tmp_path: Path, environment: dict[str, str]) -> None:
    words = [*PROGRAM, "--endpoint", f"ipc://{tmp_path}/nobody", "--timeout", "0.1"]
    with Terminal(tmp_path, words, environment) as terminal:
        terminal.wait_for("Timed out.")
        terminal.wait_for_line(PROMPT)
        terminal.type("status s", "Tab", "Tab", "C-u", "num", "Tab", "Tab")
        terminal.wait_for("numprocesses  numwatchers")
        assert terminal.screen().count("Timed out.") == 1


def test_nothing_typed_wrong_ends_the_shell(shell: Terminal) -> None:
    for typed, said in [
        ("frobnicate", "error: unrecognized arguments: frobnicate: no such command, see circusctl --help"),
        ("statz", "statz: no such command, did you mean 'stats'?"),
        ("incr sleeper --bogus", "error: unrecognized arguments: --bogus"),
        ("set 'sleeper", "error: No closing quotation"),
        ("incr", "error: Invalid number of arguments; usage: circusctl [options] incr W [N]"),
        ("status ghost", "error: program ghost not found"),
    ]:
        shell.type(typed, "Enter")
        shell.wait_for(said)
        shell.wait_for_line(PROMPT)
    shell.type("numwatchers", "Enter")
    shell.wait_for("\n3\n")


def test_an_empty_line_does_nothing(shell: Terminal, served: Served) -> None:
    shell.type("incr sleeper", "Enter", "Enter", "Enter", "numprocesses sleeper", "Enter")
    shell.wait_for("\n3\n")
    assert served.arbiter.get_watcher("sleeper").numprocesses == 3


def test_help_lists_the_commands_and_explains_one(shell: Terminal) -> None:
    shell.type("help", "Enter")
    shell.wait_for("Documented commands (type help <topic>):")
    shell.wait_for("\n  numwatchers ")
    shell.wait_for_line(PROMPT)
    shell.type("help incr", "Enter")
    shell.wait_for("usage: circusctl [options] incr W [N]")
    shell.wait_for_line(PROMPT)
    shell.type("help ghost", "Enter")
    shell.wait_for("error: unknown command: 'ghost'")


def test_ctrl_c_ends_a_command_then_a_line_then_the_shell(shell: Terminal, served: Served) -> None:
    def is_heard() -> bool:
        served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
        return "b'watcher.w.add'" in shell.screen()

    shell.type("listen", "Enter")
    until(is_heard)
    shell.type("C-c")
    shell.wait_for_line(PROMPT)
    shell.type("half a line")
    shell.wait_for_line(f"{PROMPT} half a line")
    shell.type("C-c")
    shell.wait_for_line(PROMPT)
    shell.type("numwatchers", "Enter")
    shell.wait_for("\n3\n")
    shell.wait_for_line(PROMPT)
    shell.type("C-c")
    assert shell.exit_status() == 0


@pytest.mark.parametrize("keys", [("C-d",), ("exit", "Enter")])
def test_there_are_ways_to_leave(shell: Terminal, served: Served, keys: tuple[str, ...]) -> None:
    shell.type(*keys)
    assert shell.exit_status() == 0
    assert ("quit",) not in served.arbiter.told


def test_quit_asks_before_it_ends_the_daemon(shell: Terminal, served: Served) -> None:
    for answer in ("", "n", "what"):
        shell.type("quit", "Enter")
        shell.wait_for_line("This ends circusd and all its watchers ('exit' leaves this shell). Go on? [y/N]")
        shell.type(answer, "Enter")
        shell.wait_for_line(PROMPT)
    assert ("quit",) not in served.arbiter.told
    shell.type("quit", "Enter")
    shell.wait_for("Go on? [y/N]", count=4)
    shell.type("y", "Enter")
    shell.wait_for("\nok\n")
    assert ("quit",) in served.arbiter.told


def test_what_was_typed_is_there_the_next_time(tmp_path: Path, environment: dict[str, str]) -> None:
    history = tmp_path / "state" / "circus" / "history"
    for line, answer in [("numwatchers", "3"), ("list", "lazy,sleeper,web one")]:
        with Terminal(tmp_path, PROGRAM, environment) as terminal:
            terminal.wait_for_line(PROMPT)
            terminal.type(line, "Enter")
            terminal.wait_for(f"{PROMPT} {line}\n{answer}\n{PROMPT}")
            terminal.type("C-d")
            assert terminal.exit_status() == 0
        assert history.read_text().splitlines()[-1] == line
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with Terminal(tmp_path, PROGRAM, environment) as terminal:
        terminal.wait_for_line(PROMPT)
        terminal.type("Up")
        terminal.wait_for_line(f"{PROMPT} list")
        terminal.type("Up")
        terminal.wait_for_line(f"{PROMPT} numwatchers")


def test_a_history_may_be_unwanted(tmp_path: Path, environment: dict[str, str]) -> None:
    with Terminal(tmp_path, PROGRAM, {**environment, "CIRCUSCTL_HISTORY": ""}) as terminal:
        terminal.wait_for_line(PROMPT)
        terminal.type("numwatchers", "Enter")
        terminal.wait_for(f"\n3\n{PROMPT}")
        terminal.type("C-d")
        assert terminal.exit_status() == 0
    assert not (tmp_path / "state").exists()


def test_the_shell_finds_a_daemon_that_was_away(tmp_path: Path) -> None:
    environment = ctl_environment(tmp_path, f"ipc://{tmp_path}/control")
    with Terminal(tmp_path, [*PROGRAM, "--timeout", "0.5"], environment) as terminal:
        terminal.wait_for("There is no such socket file")
        for _ in range(2):
            with Served(f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events"):
                until(lambda: says(terminal, "numwatchers", "3"), terminal.screen)
            until(lambda: says(terminal, "list", "Timed out."), terminal.screen)


def says(terminal: Terminal, line: str, answer: str) -> bool:
    """Type a line; tell whether this is what is answered."""
    terminal.wait_for_line(PROMPT)
    before = terminal.screen().count(f"{PROMPT} {line}")
    terminal.type(line, "Enter")
    terminal.wait_for(f"{PROMPT} {line}\n", count=before + 1)
    terminal.wait_for_line(PROMPT)
    return terminal.screen().rpartition(f"{PROMPT} {line}\n")[2].startswith(f"{answer}\n")


def test_a_terminal_may_be_read_as_a_batch(tmp_path: Path, environment: dict[str, str]) -> None:
    with Terminal(tmp_path, [*PROGRAM, "-"], environment) as terminal:
        terminal.type("numwatchers", "Enter")
        terminal.wait_for("numwatchers\n3")
        terminal.type("C-d")
        assert terminal.exit_status() == 0


def test_the_line_editor_is_no_condition(tmp_path: Path, environment: dict[str, str]) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "readline.py").write_text("raise ImportError('there is none')\n")
    path = f"{blocked}:{environment['PYTHONPATH']}"
    with Terminal(tmp_path, PROGRAM, {**environment, "PYTHONPATH": path}) as terminal:
        terminal.wait_for_line(PROMPT)
        terminal.type("numwatchers", "Enter")
        terminal.wait_for("\n3\n")
        terminal.type("C-d")
        assert terminal.exit_status() == 0


def test_ctrl_c_while_something_is_waited_for_keeps_the_shell(shell: Terminal, served: Served) -> None:
    served.hold()
    shell.type("stop sleeper --waiting", "Enter")
    until(lambda: served.arbiter.get_watcher("sleeper").state.value == "stopped")
    shell.type("C-c")
    shell.wait_for_line(PROMPT)
    served.release()
    shell.type("status sleeper", "Enter")
    shell.wait_for("\nstopped\n")
