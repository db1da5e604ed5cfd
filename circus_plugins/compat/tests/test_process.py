"""circus.process.Process, made by hand."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from circus.process import DEAD_OR_ZOMBIE, RUNNING, UNEXISTING, Process
from circus_core import SpawnError
from circus_core.testing.circusd import until


def test_its_output_can_be_read_and_its_environment_is_what_was_given() -> None:
    code = "import os, sys; print(sorted(os.environ), sys.argv[1:]); print('oops', file=sys.stderr)"
    process = Process("p", 7, sys.executable, ["-c", code, "$(circus.wid)"], env={"COLOUR": "red"})
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.read().decode()
    assert "'COLOUR'" in line
    assert "'PATH'" not in line
    assert line.endswith("['7']\n")
    assert process.stderr.read() == b"oops\n"
    assert process.wait(10) == 0
    process.stop()
    assert process.stdout.closed


def test_its_status_tells_that_it_ended_before_anybody_asked_for_the_exit_code() -> None:
    process = Process("p", 1, "sh -c 'exit 3'", pipe_stdout=False, pipe_stderr=False)
    until(lambda: process.status == DEAD_OR_ZOMBIE)
    assert process.poll() == 3
    assert process.returncode() == 3
    assert process.status == UNEXISTING
    assert not process.is_alive()
    with pytest.raises(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)


def test_stop_kills_what_does_not_end() -> None:
    process = Process("p", 1, "sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stop()
    assert process.poll() == -signal.SIGKILL
    assert process.stdout.closed


def test_it_is_not_started_before_it_is_told_to_be() -> None:
    process = Process("p", 2, "echo $(circus.wid)", spawn=False)
    assert process.format_args() == ["echo", "2"]
    with pytest.raises(AttributeError, match="has not been spawned"):
        process.pid  # noqa: B018
    process.spawn()
    assert process.pid > 0
    assert process.wait(10) == 0
    process.stop()


def test_a_program_that_is_not_there_is_an_error_for_people() -> None:
    with pytest.raises(SpawnError, match="no-such-program"):
        Process("p", 1, "/no-such-program")


def test_the_oldest_form_has_the_number_first() -> None:
    process = Process(3, "sleep", ["1000"])
    try:
        assert (process.wid, process.format_args()) == (3, ["sleep", "1000"])
        assert process.status == RUNNING
        younger = Process("p", 1, "sleep 1000")
        assert process < younger
        assert younger > process
        assert process != younger
        younger.stop()
    finally:
        process.stop()


def test_its_children_are_known_and_can_be_signalled() -> None:
    process = Process("p", 1, "sh", ["-c", "sleep 1000 & sleep 1001 & wait"])
    try:
        until(lambda: len(process.children()) == 2)
        first, second = process.children()
        assert process.is_child(first)
        with pytest.raises(psutil.NoSuchProcess):
            process.send_signal_child(os.getpid(), signal.SIGTERM)
        process.send_signal_child(first, signal.SIGKILL)
        until(lambda: process.children() == [second])
        process.send_signal_children(signal.SIGKILL)
        assert process.wait(10) is not None
    finally:
        process.stop()


def test_use_fds_lets_descriptors_be_inherited_under_their_number() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    code = f"import os; os.write({writer}, b'inherited')"
    process = Process("p", 1, sys.executable, ["-c", code], use_fds=True)
    os.close(writer)
    with os.fdopen(reader) as lines:
        assert lines.read() == "inherited"
    process.stop()
