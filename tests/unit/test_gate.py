"""How a request becomes a command line; nothing is started here."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from circus_core.backends import SpawnRequest
from circus_core.backends.gate import Launch, plan_launch
from circus_core.errors import SpawnError

SETPRIV = "/usr/bin/setpriv"
ENV = {"PATH": "/usr/bin:/bin"}


def _launch(*argv: str, setpriv: str | None = SETPRIV, **options: Any) -> Launch:
    defaults: dict[str, Any] = {"env": ENV, "stdin": subprocess.DEVNULL}
    return plan_launch(SpawnRequest(argv=argv, **(defaults | options)), setpriv=setpriv)


def _is_shim(launch: Launch) -> bool:
    return launch.argv[0] == sys.executable and launch.argv[3].endswith("shim.py")


def test_an_ordinary_command_is_run_directly() -> None:
    launch = _launch("true", "a b", pass_fds=(7,))
    assert launch.argv == ("true", "a b")
    assert os.path.basename(launch.executable) == "true"
    assert launch.restriction is None
    assert launch.pass_fds == (7,)


@pytest.mark.root
def test_identity_alone_needs_no_gate() -> None:
    launch = _launch("true", "x", uid=65534, gid=12)
    options = ("--reuid=65534", "--regid=12", "--init-groups", "--")
    assert launch.argv == (SETPRIV, *options, "true", "x")
    assert launch.restriction is None


def test_limits_wait_at_a_gate() -> None:
    launch = _launch("true", "x", rlimits={"core": 0}, nice=5)
    assert launch.executable == "/bin/sh"
    assert launch.argv[:2] == ("/bin/sh", "-c")
    assert launch.argv[-3:] == ("sh", "true", "x")
    assert launch.restriction is not None
    assert launch.restriction.rlimits == {"core": 0}
    assert launch.restriction.nice == 5


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (("true",), {"stdin": None}),
        (("true",), {"stdin": 5}),
        (("true",), {"executable": "false"}),
        (("true",), {"env": {}}),
        (("true",), {"env": {**ENV, "with.dot": "x"}}),
        (("true",), {"rlimits": {"nofile": 8}}),
        (("true",), {"rlimits": {"stack": 1 << 20}}),
        (("-true",), {"executable": "true"}),
    ],
)
def test_what_a_gate_can_not_do_goes_through_the_shim(argv: tuple[str, ...], options: dict[str, Any]) -> None:
    assert _is_shim(_launch(*argv, **({"rlimits": {"core": 0}} | options)))
    assert not _is_shim(_launch(*argv, **(options | {"rlimits": {}})))


@pytest.mark.root
def test_without_setpriv_identity_goes_through_the_shim() -> None:
    assert _is_shim(_launch("true", uid=65534, setpriv=None))


def test_sockets_to_listen_on_go_through_the_shim_and_are_passed() -> None:
    launch = _launch("true", listen_fds=(("web", 9), ("api", 8)), pass_fds=(9, 11))
    assert _is_shim(launch)
    assert sorted(launch.pass_fds) == [8, 9, 11]


def test_a_descriptor_can_not_be_where_a_socket_has_to_be() -> None:
    with pytest.raises(SpawnError, match="descriptor 4 is passed by number, but LISTEN_FDS needs its place"):
        _launch("true", listen_fds=(("web", 9), ("api", 8)), pass_fds=(4,))
    assert _is_shim(_launch("true", listen_fds=(("web", 3), ("api", 4)), pass_fds=(4,)))
