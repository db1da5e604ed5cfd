"""Where users can't be told apart it goes by keys: who has none that is admitted gets nothing."""

from __future__ import annotations

import ast
import json
import os
import pwd
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from circus_core.access.keyring import Keyring
from circus_core.access.keys import secure
from circus_core.clients.client import CircusClient
from circus_core.config.model import ArbiterConfig
from circus_core.errors import EndpointError
from circus_core.events import Added
from tests.controlled import ROOT, Peers, Served
from tests.integration.circusd_runs import Runs
from tests.integration.daemon import free_port, until

NOBODY = 65534
OWNER = pwd.getpwuid(NOBODY).pw_name
ME = os.geteuid()
CTL = (sys.executable, "-m", "circus_core.cli.circusctl", "--timeout", "20")
STRANGER = (sys.executable, str(ROOT / "tests/stranger.py"))
LIST = b'{"command": "list", "id": 1}'


def own_address() -> str:
    """Return an address of this machine at which others can reach it."""
    found = (a.address for each in psutil.net_if_addrs().values() for a in each if a.family.name == "AF_INET")
    return next((address for address in found if not address.startswith("127.")), "")


ADDRESS = own_address()
needs_network = pytest.mark.skipif(not ADDRESS, reason="this machine has no address but 127.0.0.1")


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """The keys of the daemon and of whoever runs the test."""
    monkeypatch.setenv("CIRCUS_KEYS", str(tmp_path / "keys"))
    ring = Keyring(str(tmp_path / "keys"))
    ring.make("me")
    return ring


@pytest.fixture
def friend(tmp_path: Path, ring: Keyring) -> Keyring:
    """Another folder with another pair, which knows the daemon of the first."""
    friend = Keyring(str(tmp_path / "friend"))
    friend.make("friend")
    return friend


@pytest.fixture
def keyed(ring: Keyring) -> Iterator[Served]:
    with Served(config=ArbiterConfig(auth="curve")) as served:
        yield served


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("CIRCUS_KEYS", str(tmp_path / "none"))
    with Served(config=ArbiterConfig(auth="none")) as served:
        yield served


def behave(uid: int, endpoint: str, behaviour: str, **env: str) -> str:
    program = [*STRANGER, str(uid), endpoint, behaviour]
    done = subprocess.run(
        program, capture_output=True, text=True, check=True, timeout=60, env={**os.environ, **env}
    )
    return done.stdout


def server_key(ring: Keyring) -> str:
    server = ring.server()
    assert server is not None
    return server.public


def client_key(ring: Keyring) -> str:
    client = ring.client()
    assert client is not None
    return client.public


def count(served: Served) -> int:
    """Return how often the stranger's request was carried out."""
    with CircusClient(served.controller.endpoint, timeout=20) as client:
        return int(client.send("incr", name="sleeper", nb=0, waiting=True)["numprocesses"]) - 2


def publish_meanwhile(served: Served, work: Callable[[], Any]) -> Any:
    """Do something while events go out."""
    from threading import Event, Thread

    done = Event()

    def publish() -> None:
        while not done.wait(0.01):
            served.on_loop(lambda: served.controller.publish(Added(watcher="w", time=1.0)))

    thread = Thread(target=publish)
    thread.start()
    try:
        return work()
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1"])
def test_all_addresses_of_both_versions_are_reached_with_a_key(ring: Keyring, host: str) -> None:
    with Served("tcp://[::]:*", "tcp://[::]:*") as served:
        port = served.controller.endpoint.rpartition(":")[2]
        with CircusClient(f"tcp://{host}:{port}", timeout=20) as client:
            assert client.send("numwatchers")["numwatchers"] == 3


# Where keys are asked for


def test_the_owner_needs_no_option(keyed: Served) -> None:
    assert count(keyed) == 0


@pytest.mark.root
@pytest.mark.parametrize("uid", [ME, NOBODY])
@pytest.mark.parametrize("behaviour", ["ask", "pretend", "half_close", "show_own_key"])
def test_a_key_that_is_not_admitted_and_none_at_all_get_no_answer(
    keyed: Served, ring: Keyring, uid: int, behaviour: str
) -> None:
    got = behave(uid, keyed.controller.endpoint, behaviour, SERVER_KEY=server_key(ring))
    assert "status" not in got
    assert count(keyed) == 0


@pytest.mark.root
@pytest.mark.parametrize("behaviour", ["subscribe", "subscribe_with_own_key"])
def test_they_hear_no_events(keyed: Served, ring: Keyring, behaviour: str) -> None:
    endpoint, key = keyed.controller.pubsub_endpoint, server_key(ring)
    got = publish_meanwhile(keyed, lambda: behave(NOBODY, endpoint, behaviour, SERVER_KEY=key))
    assert "watcher" not in got


@pytest.mark.parametrize("which", ["endpoint", "pubsub_endpoint"])
@pytest.mark.parametrize("kind", ["keyed", "opened"])
def test_what_a_browser_sends_is_no_command(kind: str, which: str, request: pytest.FixtureRequest) -> None:
    served: Served = request.getfixturevalue(kind)
    assert "status" not in behave(ME, getattr(served.controller, which), "post")
    assert count(served) == 0


class Friend:
    """A client with a key of its own: one connection for requests, one for events."""

    def __init__(self, served: Served, peers: Peers, ring: Keyring, server: Keyring) -> None:
        self.control = self._connect(peers.socket(zmq.DEALER), served.controller.endpoint, ring, server)
        self.events = peers.socket(zmq.SUB)
        self.events.setsockopt(zmq.SUBSCRIBE, b"")
        self._connect(self.events, served.controller.pubsub_endpoint, ring, server)

    def _connect(
        self, socket: zmq.Socket[bytes], endpoint: str, ring: Keyring, server: Keyring
    ) -> zmq.Socket[bytes]:
        pair = ring.client()
        assert pair is not None
        socket.curve_serverkey = bytes.fromhex(server_key(server))
        socket.curve_publickey = bytes.fromhex(pair.public)
        socket.curve_secretkey = bytes.fromhex(pair.secret)
        socket.connect(endpoint)
        return socket

    def is_answered(self, wait: int = 20_000) -> bool:
        self.control.send(LIST)
        return bool(self.control.poll(wait)) and b'"ok"' in self.control.recv()

    def hears(self, served: Served, wait: float = 20.0) -> bool:
        """Tell whether an event arrives that goes out from now on."""
        while self.events.poll(100):
            self.events.recv_multipart()
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            served.on_loop(lambda: served.controller.publish(Added(watcher="w", time=1.0)))
            if self.events.poll(20):
                return True
        return False


def test_what_is_revoked_counts_no_more_also_for_open_connections(
    keyed: Served, ring: Keyring, friend: Keyring
) -> None:
    ring.admit(client_key(friend), role="full", name="friend")
    with Peers() as peers:
        theirs, ours = Friend(keyed, peers, friend, ring), Friend(keyed, peers, ring, ring)
        assert theirs.is_answered()
        assert ours.is_answered()
        assert theirs.hears(keyed)
        assert ours.hears(keyed)
        ring.revoke("friend")
        assert not theirs.is_answered(500)
        assert not theirs.hears(keyed, 1.0)
        assert ours.is_answered()
        assert ours.hears(keyed)
        assert count(keyed) == 0
        ring.admit(client_key(friend), role="full", name="friend")
        again = Friend(keyed, peers, friend, ring)  # libzmq does not try again after a refusal
        assert again.is_answered()
        assert again.hears(keyed)


def test_a_subscriber_alone_is_cut_off_by_the_next_event(
    keyed: Served, ring: Keyring, friend: Keyring
) -> None:
    ring.admit(client_key(friend), role="read")
    with Peers() as peers:
        theirs = Friend(keyed, peers, friend, ring)
        assert theirs.hears(keyed)
        ring.revoke(client_key(friend))
        assert not theirs.hears(keyed, 1.0)


def test_connections_that_ended_are_forgotten(keyed: Served) -> None:
    for _ in range(30):
        count(keyed)
    endpoints = keyed.controller._open
    assert endpoints is not None
    until(lambda: len(endpoints._sockets._gatekeeper._connections) < 10)


@pytest.mark.parametrize("damage", ["mode", "text"])
def test_a_list_that_can_not_be_trusted_admits_nobody(
    keyed: Served, ring: Keyring, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Peers() as peers:
        me = Friend(keyed, peers, ring, ring)
        assert me.is_answered()
        if damage == "mode":
            (ring.folder / "admitted").chmod(0o666)
        else:
            (ring.folder / "admitted").write_text("nonsense\n")
        assert not me.is_answered(500)
        until(lambda: "until then no key is admitted" in caplog.text)


def test_a_fixed_endpoint_stays_known_until_it_asks_for_no_keys(ring: Keyring) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    with Served(endpoint, config=ArbiterConfig(auth="curve")) as served:
        assert count(served) == 0
    assert [line[0] for line in ring.servers()] == [endpoint]
    with Served(endpoint) as served:
        assert count(served) == 0
        assert ring.servers() == []


def test_a_port_that_the_system_chose_is_forgotten(ring: Keyring) -> None:
    with Served(config=ArbiterConfig(auth="curve")) as served:
        endpoints = {served.controller.endpoint, served.controller.pubsub_endpoint}
        assert {line[0] for line in ring.servers()} == endpoints
    assert ring.servers() == []


def test_a_line_that_a_killed_daemon_left_does_not_bother_the_next(ring: Keyring) -> None:
    port = free_port()
    ring.trust(f"tcp://127.0.0.1:{port}", server_key(ring), note="circusd")
    with Served(f"tcp://127.0.0.1:{port}") as served:
        assert count(served) == 0


def test_two_daemons_with_one_folder_find_each_their_own(ring: Keyring) -> None:
    with Served(config=ArbiterConfig(auth="curve")) as one, Served() as other:
        assert count(one) == count(other) == 0


# Where keys are needed and are not there


def test_without_keys_nothing_is_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ArbiterConfig(auth="curve")
    monkeypatch.setenv("CIRCUS_KEYS", str(tmp_path / "none"))
    port = free_port()
    wanted = r"auth = curve.*, there are none in .*/none; run 'circusctl keys make'"
    with pytest.raises(EndpointError, match=wanted), Served(f"tcp://127.0.0.1:{port}", config=config):
        pass
    with Served(f"tcp://127.0.0.1:{port}"):
        pass


def test_a_secret_that_others_can_read_is_not_used(ring: Keyring) -> None:
    (ring.folder / "server.key").chmod(0o644)
    with (
        pytest.raises(EndpointError, match=r"server\.key can be read by others \(mode 0644\).*chmod 600"),
        Served(config=ArbiterConfig(auth="curve")),
    ):
        pass


def test_ipc_goes_by_user_whatever_auth_says(ring: Keyring, tmp_path: Path) -> None:
    for auth in ("curve", "none"):
        endpoints = (f"ipc://{tmp_path}/c{auth}", f"ipc://{tmp_path}/e{auth}")
        with Served(*endpoints, config=ArbiterConfig(auth=auth)) as served:
            assert count(served) == 0
            assert stat.S_IMODE((tmp_path / f"c{auth}").stat().st_mode) == 0o600


# Where nobody is asked


@pytest.mark.root
def test_everybody_is_let_in_with_a_warning_for_each_endpoint(
    opened: Served, caplog: pytest.LogCaptureFixture
) -> None:
    assert '"status": "ok"' in behave(NOBODY, opened.controller.endpoint, "ask")
    endpoint = opened.controller.pubsub_endpoint
    assert "watcher" in publish_meanwhile(opened, lambda: behave(NOBODY, endpoint, "subscribe"))


def test_each_open_endpoint_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    ports = [free_port(), free_port()]
    with Served(*(f"tcp://127.0.0.1:{port}" for port in ports), config=ArbiterConfig(auth="none")):
        said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text for text in said if "auth = none" in text] == [
        f"auth = none: whoever can reach tcp://127.0.0.1:{port} is let in and not asked who they are"
        for port in ports
    ]


# The whole life, with the real programs


def ctl(*words: str, keys: Keyring, endpoint: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CIRCUS_KEYS": str(keys.folder), "CIRCUSCTL_ENDPOINT": endpoint}
    return subprocess.run([*CTL, *words], capture_output=True, text=True, env=env, timeout=60, check=False)


def start(runs: Runs, ring: Keyring, **circus: object) -> str:
    """Start a daemon that other machines could reach; returns its endpoint as they see it."""
    ports = free_port(), free_port()
    endpoints = {"endpoint": f"tcp://0.0.0.0:{ports[0]}", "pubsub_endpoint": f"tcp://0.0.0.0:{ports[1]}"}
    runs.env["CIRCUS_KEYS"] = str(ring.folder)
    runs.write("[watcher:w]\ncmd = sleep 1000\n", **endpoints, **circus)
    runs.start(runs.ini)
    runs.wait_for("w started")
    return f"tcp://{ADDRESS}:{ports[0]}"


@needs_network
def test_without_keys_circusd_refuses_to_start_and_says_what_to_do(runs: Runs, tmp_path: Path) -> None:
    runs.env["CIRCUS_KEYS"] = str(tmp_path / "none")
    runs.write(endpoint=f"tcp://0.0.0.0:{free_port()}")
    done = runs.run(runs.ini)
    assert done.returncode == 3
    assert "it needs keys to tell who may use it (other machines can reach it)" in done.stderr
    assert "run 'circusctl keys make', or use tcp://127.0.0.1:PORT or ipc://PATH" in done.stderr
    assert "or write auth = none to let everybody in" in done.stderr


@needs_network
def test_a_key_is_made_used_admitted_and_revoked(runs: Runs, tmp_path: Path) -> None:
    ours, theirs = Keyring(str(tmp_path / "ours")), Keyring(str(tmp_path / "theirs"))
    assert "made server.key and client.key" in ctl("keys", "make", keys=ours, endpoint="").stdout
    ctl("keys", "make", keys=theirs, endpoint="")
    endpoint = start(runs, ours)
    assert ctl("status", keys=ours, endpoint=endpoint).stdout == "w: active\n"
    local = endpoint.replace(ADDRESS, "127.0.0.1")
    assert ctl("status", keys=ours, endpoint=local).stdout == "w: active\n"

    theirs.trust(endpoint.rpartition(":")[0], server_key(ours))
    refused = ctl("--timeout", "1", "list", keys=theirs, endpoint=endpoint)
    assert (refused.returncode, refused.stdout) == (1, "")

    shown = json.loads(ctl("--json", "keys", "show", keys=theirs, endpoint="").stdout)
    admitted = ctl("keys", "admit", shown["client"], "--name", "them", keys=ours, endpoint="")
    assert admitted.stdout == f"admitted them (full) {shown['client']}\n"
    assert ctl("status", keys=theirs, endpoint=endpoint).stdout == "w: active\n"
    with Peers() as peers:
        connected = peers.socket(zmq.DEALER)
        os.environ["CIRCUS_KEYS"], before = str(theirs.folder), os.environ.get("CIRCUS_KEYS")
        try:
            secure(connected, endpoint)
        finally:
            os.environ.pop("CIRCUS_KEYS") if before is None else os.environ.update(CIRCUS_KEYS=before)
        connected.connect(endpoint)
        connected.send(LIST)
        assert connected.poll(20_000)
        connected.recv()
        ctl("keys", "revoke", "them", keys=ours, endpoint="")
        connected.send(LIST)
        assert not connected.poll(500)
    assert ctl("--timeout", "1", "list", keys=theirs, endpoint=endpoint).returncode == 1
    assert ctl("quit", keys=ours, endpoint=endpoint).returncode == 0
    assert runs.started.wait(20) == 0


@needs_network
def test_a_key_with_the_role_read_can_look_and_change_nothing(runs: Runs, tmp_path: Path) -> None:
    ours, theirs = Keyring(str(tmp_path / "ours")), Keyring(str(tmp_path / "theirs"))
    ours.make("me")
    theirs.make("them")
    ours.admit(client_key(theirs), role="read", name="viewer")
    endpoint = start(runs, ours)
    theirs.trust(endpoint, server_key(ours))
    assert ctl("list", keys=theirs, endpoint=endpoint).stdout == "w\n"
    refused = ctl("stop", keys=theirs, endpoint=endpoint)
    assert refused.returncode == 3
    assert "its role is 'read', which may look and change nothing" in refused.stderr
    assert ctl("status", keys=theirs, endpoint=endpoint).stdout == "w: active\n"
    ctl("quit", keys=ours, endpoint=endpoint)
    runs.started.wait(20)


PLUGIN = """
import pathlib
from circus_core import CircusPlugin
class Writes(CircusPlugin):
    name = "writes"
    def handle_init(self):
        pathlib.Path(self.config["file"]).write_text(repr(self.call("list")["watchers"]))
    def handle_recv(self, data):
        pass
"""


@needs_network
@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_plugin_of_the_daemon_finds_its_keys(runs: Runs, tmp_path: Path, by: str) -> None:
    ring = Keyring(str(tmp_path / "keys"))
    ring.make("me")
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    told = tmp_path / "told"
    runs.env["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    runs.env["CIRCUS_KEYS"] = str(ring.folder) if by == "environment" else str(tmp_path / "wrong")
    section = f"[plugin:p]\nuse = my_plugin.Writes\nfile = {told}\ncopy_env = True\n"
    endpoints = {"endpoint": f"tcp://*:{free_port()}", "pubsub_endpoint": f"tcp://0.0.0.0:{free_port()}"}
    options = {"keys": ring.folder} if by == "option" else {}
    runs.write(section, **endpoints, **options)
    runs.start(runs.ini)
    until(lambda: told.exists() and told.read_text(), runs.said)
    assert told.read_text() == "['plugin:p']"
    runs.started.terminate()
    assert runs.started.wait(20) == 0


# Roles of users


def asked_by_nobody(endpoint: str, command: str, **properties: Any) -> dict[str, Any]:
    """Return what another user's request is answered with, empty if it is not."""
    message = json.dumps({"command": command, "properties": properties, "id": 1})
    got = behave(NOBODY, endpoint, "ask", ASK=message).strip()
    if "{" not in got:
        return {}
    answer = ast.literal_eval(got)
    reply: dict[str, Any] = json.loads(answer[answer.index(b"{") :])
    return reply


@pytest.fixture(params=["tcp", "ipc"])
def place(request: pytest.FixtureRequest, runs: Runs) -> Iterator[dict[str, str]]:
    """Endpoints that nothing but the daemon keeps strangers from."""
    if request.param == "tcp":
        yield {name: f"tcp://127.0.0.1:{free_port()}" for name in ("endpoint", "pubsub_endpoint")}
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="circus-test-") as folder:
        Path(folder).chmod(0o755)
        inside = Path(folder) / "run"  # made by circusd
        yield {"endpoint": f"ipc://{inside}/control", "pubsub_endpoint": f"ipc://{inside}/events"}


SLEEPER = "[watcher:w]\ncmd = sleep 1000\n"


def start_at(runs: Runs, place: dict[str, str], **circus: object) -> str:
    runs.write(SLEEPER, **place, **circus)
    runs.start(runs.ini)
    runs.wait_for("w started")
    return place["endpoint"]


def end(runs: Runs) -> None:
    runs.started.terminate()
    assert runs.started.wait(20) == 0


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("list", {}),
    ("add", {"name": "evil", "cmd": "id", "start": True}),
    ("set", {"name": "w", "options": {"cmd": "id"}}),
    ("stats", {}),
    ("stop", {}),
    ("quit", {}),
]


@pytest.mark.root
def test_another_user_can_do_nothing(runs: Runs, place: dict[str, str]) -> None:
    endpoint = start_at(runs, place)
    for file in Path(place["endpoint"].removeprefix("ipc://")).parent.glob("*"):
        file.chmod(0o666)  # modes would keep them out before the daemon could
        file.parent.chmod(0o755)
    for command, properties in REQUESTS:
        assert asked_by_nobody(endpoint, command, **properties) == {}
    assert "watcher" not in heard_by_nobody(endpoint, place)
    with CircusClient(endpoint, timeout=20) as client:
        assert client.send("status")["statuses"] == {"w": "active"}
        assert client.send("get", name="w", keys=["cmd"])["options"] == {"cmd": "sleep 1000"}
    end(runs)


def heard_by_nobody(endpoint: str, place: dict[str, str]) -> str:
    program = [*STRANGER, str(NOBODY), place["pubsub_endpoint"], "subscribe"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout is not None
        with CircusClient(endpoint, timeout=20) as client:
            while listening.poll() is None:  # it ends when it has heard enough, or is not let in
                client.send("set", name="w", options={"max_age": 0})
                time.sleep(0.01)
        return listening.stdout.read()


@pytest.mark.root
def test_a_user_who_may_read_can_list_and_not_stop(runs: Runs, place: dict[str, str]) -> None:
    endpoint = start_at(runs, place, allow_read=NOBODY)
    assert asked_by_nobody(endpoint, "list")["watchers"] == ["w"]
    assert asked_by_nobody(endpoint, "status", name="w")["status"] == "active"
    for command, properties in [*REQUESTS[1:3], *REQUESTS[4:]]:
        refused = asked_by_nobody(endpoint, command, **properties)
        assert f"'{command}' is not allowed for uid {NOBODY}" in refused["reason"]
        assert "its role is 'read'" in refused["reason"]
    assert "watcher.w.updated" in heard_by_nobody(endpoint, place)
    end(runs)


@pytest.mark.root
def test_a_user_who_may_do_everything_can_stop(runs: Runs, place: dict[str, str]) -> None:
    endpoint = start_at(runs, place, allow_full=OWNER)
    assert asked_by_nobody(endpoint, "stop", waiting=True)["status"] == "ok"
    assert asked_by_nobody(endpoint, "status", name="w")["status"] == "stopped"
    assert asked_by_nobody(endpoint, "quit")["status"] == "ok"
    assert runs.started.wait(20) == 0


@pytest.mark.root
def test_the_owner_of_the_endpoint_has_processes_of_its_own_only(runs: Runs, place: dict[str, str]) -> None:
    endpoint = start_at(runs, place, endpoint_owner=OWNER)
    refused = asked_by_nobody(endpoint, "set", name="w", options={"cmd": "id"})
    wanted = f"'cmd' can't be set with endpoint_owner: the watcher does not run as {OWNER}"
    assert (refused["errno"], refused["reason"]) == (3, wanted)
    refused = asked_by_nobody(endpoint, "add", name="evil", cmd="id")
    assert (refused["errno"], refused["reason"]) == (3, "uid does not match endpoint_owner")
    assert asked_by_nobody(endpoint, "set", name="w", options={"max_age": 100})["status"] == "ok"
    options = {"uid": OWNER, "env": {"LD_PRELOAD": "/tmp/evil.so"}}
    assert "LD_PRELOAD" in asked_by_nobody(endpoint, "add", name="n", cmd="id", options=options)["reason"]
    request = {"name": "n", "cmd": "/bin/sleep 1000", "options": {"uid": OWNER}, "start": True}
    (started,) = asked_by_nobody(endpoint, "add", **request, waiting=True)["started"]
    until(lambda: psutil.Process(started).uids().real == NOBODY)  # root for the moment of setpriv(1)
    end(runs)


MODES: list[tuple[dict[str, object], int, int]] = [
    ({}, 0o600, 0o700),
    ({"allow_read": NOBODY}, 0o666, 0o711),
    ({"endpoint_owner": OWNER}, 0o600, 0o711),
]


@pytest.mark.root
@pytest.mark.parametrize(("options", "file_mode", "folder_mode"), MODES)
def test_others_can_reach_the_socket_files_only_if_they_may(
    runs: Runs, tmp_path: Path, options: dict[str, object], file_mode: int, folder_mode: int
) -> None:
    folder = tmp_path / "run"
    start_at(runs, {"endpoint": f"ipc://{folder}/c", "pubsub_endpoint": f"ipc://{folder}/e"}, **options)
    assert stat.S_IMODE(folder.stat().st_mode) == folder_mode
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {file_mode}
    end(runs)
