"""Who may talk to the daemon: its user, root and the endpoint's owner; nobody else, by no trick we know."""

from __future__ import annotations

import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus_core.access import connections, endpoints
from circus_core.access.connections import Tables
from circus_core.clients.client import CircusClient
from circus_core.errors import EndpointError
from circus_core.events import Added
from tests.controlled import ROOT, Peers, Served
from tests.integration.circusd_runs import Runs
from tests.integration.daemon import free_port, until

NOBODY = 65534
ME = os.geteuid()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter, so that only the endpoint itself keeps strangers out."""
    with tempfile.TemporaryDirectory(prefix="circus-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(params=["tcp", "ipc"])
def served(request: pytest.FixtureRequest, folder: Path) -> Iterator[Served]:
    place = Served()
    if request.param == "ipc":
        place = Served(f"ipc://{folder}/control", f"ipc://{folder}/events")
    with place as running:
        if request.param == "ipc":  # mode 0600 would keep them out before we could
            for file in folder.iterdir():
                file.chmod(0o666)
        yield running


def behave(uid: int, endpoint: str, behaviour: str) -> str:
    """Return what a program of this user got for its behaviour."""
    program = [sys.executable, str(ROOT / "tests/stranger.py"), str(uid), endpoint, behaviour]
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout


def count(served: Served) -> int:
    """Return how often the stranger's request was carried out."""
    with CircusClient(served.controller.endpoint, timeout=20) as client:
        return int(client.send("incr", name="sleeper", nb=0, waiting=True)["numprocesses"]) - 2


def make_friends(peers: Peers, served: Served) -> None:
    """Connect clients that may: some that have not said anything yet, one that has, one that listens."""
    for _ in range(3):
        peers.dealer(served.controller.endpoint)
        peers.dealer(served.controller.pubsub_endpoint)
    talker = peers.dealer(served.controller.endpoint)
    talker.send(b'{"command": "list"}')
    assert talker.poll(20_000)
    listener = peers.subscriber(served.controller.pubsub_endpoint, b"")
    deadline = time.monotonic() + 20
    while not listener.poll(10):
        served.on_loop(lambda: served.controller.publish(Added(watcher="w", time=1.0)))
        assert time.monotonic() < deadline


@pytest.mark.parametrize("behaviour", ["ask", "pretend"])
def test_our_own_programs_are_served(served: Served, behaviour: str) -> None:
    assert '"status": "ok"' in behave(ME, served.controller.endpoint, behaviour)
    assert count(served) == 1


@pytest.mark.root
@pytest.mark.parametrize("has_company", [False, True])
@pytest.mark.parametrize("behaviour", ["ask", "pretend", "hit_and_run", "half_close"])
def test_another_user_is_not_served(served: Served, behaviour: str, has_company: bool) -> None:
    with Peers() as peers:
        if has_company:
            make_friends(peers, served)
        assert "status" not in behave(NOBODY, served.controller.endpoint, behaviour)
        assert count(served) == 0


@pytest.mark.root
@pytest.mark.parametrize("has_company", [False, True])
def test_another_user_hears_no_events(served: Served, has_company: bool) -> None:
    def heard_by(uid: int) -> str:
        endpoint = served.controller.pubsub_endpoint
        program = [sys.executable, str(ROOT / "tests/stranger.py"), str(uid), endpoint, "subscribe"]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as listening:
            while listening.poll() is None:  # it ends when it has heard enough, or is not let in
                served.on_loop(lambda: served.controller.publish(Added(watcher="w", time=1.0)))
                time.sleep(0.01)
            return listening.communicate()[0]

    with Peers() as peers:
        if has_company:
            make_friends(peers, served)
        assert "watcher" not in heard_by(NOBODY)
        assert "watcher.w.add" in heard_by(ME)


@pytest.mark.root
@pytest.mark.parametrize("which", ["endpoint", "pubsub_endpoint"])
def test_another_user_can_not_hold_connections(which: str) -> None:
    with Served() as served, Peers() as peers:
        make_friends(peers, served)
        silent = peers.dealer(served.controller.endpoint)
        assert behave(NOBODY, getattr(served.controller, which), "crowd").strip() == "200"
        silent.send(b'{"command": "list"}')
        assert silent.poll(20_000)


@pytest.mark.root
def test_another_user_can_not_take_the_last_descriptor(runs: Runs) -> None:
    runs.endpoint = f"tcp://127.0.0.1:{free_port()}"
    runs.write()
    runs.start(runs.ini, before=["prlimit", "--nofile=100:100"])
    runs.wait_for("now waiting for commands")
    assert behave(NOBODY, runs.endpoint, "crowd").strip() == "200"
    with runs.client() as client:
        client.send("quit", waiting=True)
    assert runs.started.wait(20) == 0


def test_our_own_programs_may_be_silent() -> None:
    with Served() as served, Peers() as peers:
        connections = [peers.dealer(served.controller.endpoint) for _ in range(20)]
        ends = [peer.get_monitor_socket(zmq.EVENT_DISCONNECTED) for peer in connections]
        deadline = time.monotonic() + 0.5
        assert not any(end.poll(max(0, int(1000 * (deadline - time.monotonic())))) for end in ends)
        for peer in connections:
            peer.disable_monitor()


def test_nobody_subscribes_to_more_than_fits(served: Served) -> None:
    assert behave(ME, served.controller.pubsub_endpoint, "subscribe_to_too_much") == "not all not all\n"
    assert count(served) == 0


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]"])
@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_version_six_has_the_same_doors(host: str) -> None:
    with Served(f"tcp://{host}:*", f"tcp://{host}:*") as served, Peers() as peers:
        assert served.controller.endpoint.startswith(f"tcp://{host}:")
        make_friends(peers, served)
        assert '"status": "ok"' in behave(ME, served.controller.endpoint, "ask")
        if ME == 0:
            assert "status" not in behave(NOBODY, served.controller.endpoint, "ask")
        assert "status" not in behave(ME, served.controller.endpoint, "post")
        assert count(served) == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_all_addresses_of_version_six_need_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUS_KEYS", str(tmp_path))
    with pytest.raises(EndpointError, match="other machines can reach it"), Served("tcp://[::]:*"):
        pass


@pytest.mark.parametrize("which", ["endpoint", "pubsub_endpoint"])
def test_what_a_browser_sends_is_no_command(served: Served, which: str) -> None:
    got = behave(ME, getattr(served.controller, which), "post")
    assert "status" not in got
    assert count(served) == 0


@pytest.mark.root
def test_the_owner_of_the_endpoint_is_served(folder: Path) -> None:
    owner = pwd.getpwuid(NOBODY).pw_name
    with Served(f"ipc://{folder}/control", f"ipc://{folder}/events", owner=owner) as served:
        files = [file.stat() for file in folder.iterdir()]
        assert {(file.st_uid, stat.S_IMODE(file.st_mode)) for file in files} == {(NOBODY, 0o600)}
        assert '"status": "ok"' in behave(NOBODY, served.controller.endpoint, "ask")
    with Served(owner=owner) as served:
        assert '"status": "ok"' in behave(NOBODY, served.controller.endpoint, "ask")


@pytest.mark.root
@pytest.mark.parametrize("trick", ["symbolic", "hard", "another"])
def test_only_our_socket_is_given_to_the_owner(
    folder: Path, trick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner puts another file in its place, in the moment between bind and chown."""
    secret, place = folder / "secret", folder / "control"
    secret.write_text("of root")
    bind = endpoints._bind_listener

    def bind_and_be_robbed(*words: Any, **options: Any) -> None:
        bind(*words, **options)
        if place.is_socket():
            place.unlink()
            if trick == "symbolic":
                place.symlink_to(secret)
            elif trick == "hard":
                place.hardlink_to(secret)
            else:
                secret.rename(place)

    monkeypatch.setattr(endpoints, "_bind_listener", bind_and_be_robbed)
    owner = pwd.getpwuid(NOBODY).pw_name
    with (
        pytest.raises(EndpointError, match="can't use endpoint"),
        Served(f"ipc://{place}", f"ipc://{folder}/events", owner=owner),
    ):
        pass
    assert (secret if secret.exists() else place).stat().st_uid == ME


def test_an_owner_who_does_not_exist_is_explained() -> None:
    wanted = r"^endpoint_owner must be a user of this machine, got 'no such user'$"
    with pytest.raises(EndpointError, match=wanted), Served(owner="no such user"):
        pass


def test_the_socket_files_are_for_their_owner_only(folder: Path) -> None:
    with Served(f"ipc://{folder}/control", f"ipc://{folder}/events"):
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert list(folder.iterdir()) == []


def test_connections_that_ended_are_forgotten() -> None:
    with Served() as served:
        for _ in range(30):
            count(served)
        endpoints = served.controller._open
        assert endpoints is not None
        until(lambda: len(endpoints._sockets._gatekeeper._connections) < 10)


def test_many_clients_at_once_are_let_in() -> None:
    with Served() as served, Peers() as peers:
        clients = [peers.dealer(served.controller.endpoint) for _ in range(100)]
        for client in clients:
            client.send(b'{"command": "numwatchers"}')
        assert all(client.poll(20_000) for client in clients)


@pytest.fixture(params=["asked", "read"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to the same knowledge: sock_diag(7), and without it the tables."""
    if request.param == "read":
        monkeypatch.setattr(connections, "_NETLINK_SOCK_DIAG", 9999)


def tcp_clients(ports: set[int]) -> dict[int, dict[int, int | None]]:
    tables = Tables()
    try:
        return tables.clients(ports)
    finally:
        tables.close()


@pytest.mark.usefixtures("way")
def test_the_system_tells_whose_a_connection_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        ours, _ = server.accept()
        with ours:
            inode = os.fstat(ours.fileno()).st_ino
            assert tcp_clients({port})[port][inode] == ME
            client.close()
            assert tcp_clients({port})[port].get(inode) is None


@pytest.mark.usefixtures("way")
def test_the_system_knows_version_six_and_mapped_addresses() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)):
                ours, _ = server.accept()
                with ours:
                    assert tcp_clients({port})[port][os.fstat(ours.fileno()).st_ino] == ME


def test_requests_that_wait_hold_a_bounded_memory() -> None:
    poll = {"command": "logs", "properties": {"wait": 60, "padding": "x" * 900_000}}
    with Served() as served, Peers() as peers:
        client = peers.dealer(served.controller.endpoint)
        for _ in range(4):
            client.send(json.dumps(poll).encode())
        for _ in range(2):
            assert client.poll(20_000)
            assert "more than 2097152 bytes of requests at a time" in client.recv().decode()
        client.send(b'{"command": "numwatchers"}')
        assert client.poll(20_000)
        assert '"numwatchers": 3' in client.recv().decode()
