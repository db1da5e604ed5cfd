"""What the owner of the endpoint of a circusd of root may have done: nothing but processes of that user."""

from __future__ import annotations

import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circus_core.clients.client import CircusClient
from tests.integration.circusd_runs import Runs
from tests.integration.daemon import until

pytestmark = pytest.mark.root

OWNER = pwd.getpwuid(65534).pw_name


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the owner can write to."""
    with tempfile.TemporaryDirectory(prefix="circus-test-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def client(runs: Runs) -> Iterator[CircusClient]:
    """A circusd of root, with a watcher of root."""
    runs.write("[watcher:roots]\ncmd = sleep 100\nuid = root\n", endpoint_owner=OWNER)
    runs.start(runs.ini)
    runs.wait_for("now waiting for commands")
    with runs.client() as client:
        yield client
        client.send("quit", waiting=True)
    assert runs.started.wait(20) == 0


def run(client: CircusClient, cmd: str, **options: Any) -> None:
    given = {"uid": OWNER, "respawn": False, "shell": True, **options}
    client.send("add", name="mine", cmd=cmd, start=True, options=given)


def described(client: CircusClient) -> dict[str, Any]:
    found: dict[str, Any] = client.send("describe", name="mine")["descriptions"]["mine"]
    return found


def content(path: Path) -> str:
    """Wait until a process has written a line; return it."""
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"{path} to be written")
    return path.read_text().strip()


def test_a_folder_is_entered_with_the_rights_of_the_owner(client: CircusClient, folder: Path) -> None:
    closed, found = folder / "closed", folder / "found"
    closed.mkdir(mode=0o700)
    (closed / "secret").write_text("the secret")
    run(client, f"cat secret > {found}", working_dir=str(closed))
    until(lambda: described(client)["ended"] or found.exists(), "the process to end")
    assert not found.exists()
    assert described(client)["ended"] == 1


def test_the_folder_of_the_owner_is_entered(client: CircusClient, folder: Path) -> None:
    own, found = folder / "own", folder / "found"
    own.mkdir()
    run(client, f"echo $(pwd) $(id -u) $(id -G) > {found}", working_dir=str(own))
    user = pwd.getpwnam(OWNER)
    assert content(found) == f"{own} {user.pw_uid} {user.pw_gid}"
