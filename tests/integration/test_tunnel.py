"""Endpoints behind a real sshd."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.clients.client import CircusClient
from circus_core.clients.tunnel import Server, Tunnel, open_tunnel
from circus_core.errors import CallError
from circus_core.events import Added
from tests.controlled import ROOT, Served
from tests.integration.ctl import PROGRAM
from tests.integration.daemon import DEADLINE, free_port, until
from tests.integration.sshd import SSHD, SshServer, ssh_programs

pytestmark = pytest.mark.skipif(SSHD is None, reason="needs sshd: Debian's package openssh-server")


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    with SshServer(tmp_path / "sshd") as server:
        monkeypatch.setenv("PATH", server.path)
        yield server
        assert not list(ssh_programs(server.folder))


@pytest.fixture(params=["tcp", "ipc"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    control, events = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    if request.param == "ipc":
        control, events = f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events"
    with Served(control, events) as running:
        yield running


def test_requests_go_through(sshd: SshServer, served: Served) -> None:
    with Tunnel(sshd.address, sshd.key) as tunnel:
        here = tunnel.forward(served.controller.endpoint)
        with CircusClient(here, timeout=DEADLINE) as client:
            assert client.send("numwatchers")["numwatchers"] == 3
        assert tunnel.forward(served.controller.endpoint) == here
        other = tunnel.forward(served.controller.pubsub_endpoint)
        assert other != here
        folder = Path(here.removeprefix("ipc://")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        until(lambda: len(list(ssh_programs(sshd.folder))) == 3, "ssh and its keepers")
    assert not folder.exists()
    assert not list(ssh_programs(sshd.folder))


def test_a_client_logs_in_by_itself(sshd: SshServer, served: Served) -> None:
    with CircusClient(
        served.controller.endpoint, timeout=DEADLINE, ssh_server=sshd.address, ssh_keyfile=sshd.key
    ) as client:
        assert client.send("numwatchers")["numwatchers"] == 3
        with client.events("watcher.w.") as events:
            served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
            assert next(events).topic == "watcher.w.add"
    assert not list(ssh_programs(sshd.folder))


@pytest.fixture
def ctl(tmp_path: Path, sshd: SshServer, served: Served) -> list[str]:
    """The beginning of a command line of circusctl."""
    options = ["--endpoint", served.controller.endpoint, "--ssh", sshd.address, "--ssh-keyfile", sshd.key]
    return [*PROGRAM, *options]


def test_circusctl_asks_through_ssh(ctl: list[str], sshd: SshServer) -> None:
    done = subprocess.run([*ctl, "numwatchers"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert not list(ssh_programs(sshd.folder))


def test_circusctl_says_what_ssh_says(ctl: list[str], sshd: SshServer) -> None:
    words = [*ctl, "--ssh-keyfile", sshd.foreign_key, "list"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: ssh to {sshd.address}: ")
    assert "Permission denied" in done.stderr


def test_circusctl_tells_a_login_without_a_daemon(sshd: SshServer) -> None:
    words = [*PROGRAM, "--timeout", "0.5", "--ssh", sshd.address, "--ssh-keyfile", sshd.key]
    words += ["--endpoint", f"tcp://127.0.0.1:{free_port()}", "list"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Timed out.")
    assert f"The login at {sshd.address} works" in done.stderr


def test_circusctl_listens_through_ssh_and_leaves_nothing_when_killed(
    ctl: list[str], sshd: SshServer, served: Served
) -> None:
    at = ctl.index("--endpoint")
    words = [*ctl[:at], *ctl[at + 2 :], "listen", "watcher.w."]
    environment = {**os.environ, "CIRCUSCTL_ENDPOINT": served.controller.endpoint}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as listening:
        assert listening.stdout is not None
        os.set_blocking(listening.stdout.fileno(), False)

        def is_heard() -> bool:
            assert listening.stdout is not None
            served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
            return bool(listening.stdout.readline())

        until(is_heard)
        until(lambda: len(list(ssh_programs(sshd.folder))) == 3, "ssh and its keepers")
        listening.kill()
    until(lambda: not list(ssh_programs(sshd.folder)), "ssh to be gone")


def test_a_batch_logs_in_again_when_the_login_was_lost(ctl: list[str], sshd: SshServer) -> None:
    with subprocess.Popen(
        [*ctl, "--timeout", str(DEADLINE), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as batch:
        assert batch.stdin is not None
        assert batch.stdout is not None
        for _ in range(2):
            batch.stdin.write("numwatchers\n")
            assert batch.stdout.readline() == "3\n"
            (ssh,) = ssh_programs(sshd.folder, "ssh")
            os.kill(ssh, signal.SIGTERM)
            until(
                lambda: not any(map(has_output, ssh_programs(sshd.folder))), "its keeper to know of its end"
            )
        batch.stdin.close()
        assert batch.wait(DEADLINE) == 0


def has_output(pid: int) -> bool:
    """Tell whether standard output is open; a keeper closes it to say that ssh has ended."""
    return Path(f"/proc/{pid}/fd/1").exists()


def test_a_plugin_reaches_both_endpoints_through_ssh(sshd: SshServer, served: Served, tmp_path: Path) -> None:
    out = tmp_path / "heard"
    (tmp_path / "farlistener.py").write_text(
        "from circus_core import CircusPlugin\n"
        "class Listener(CircusPlugin):\n"
        "    def handle_init(self):\n"
        "        self.count = self.call('numwatchers')['numwatchers']\n"
        "    def handle_recv(self, data):\n"
        f"        with open({str(out)!r}, 'a') as file:\n"
        "            file.write(f'{data[0].decode()} {self.count}\\n')\n"
    )
    with (sshd.folder / "ssh_config").open("a") as config:
        config.write(f"IdentityFile {sshd.key}\n")
    words = [sys.executable, "-m", "circus_core.cli.circus_plugin", "--ssh", sshd.address]
    words += ["--endpoint", served.controller.endpoint, "--pubsub", served.controller.pubsub_endpoint]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with subprocess.Popen(
        [*words, "farlistener.Listener"], env=environment, stderr=subprocess.PIPE, text=True
    ) as plugin:

        def is_heard() -> bool:
            served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
            return out.exists() and "watcher.w.add 3\n" in out.read_text()

        try:
            until(is_heard)
            sshd.kill()
            said = plugin.communicate(timeout=DEADLINE)[1]
        finally:
            plugin.kill()
        assert f"the login at {sshd.address} has ended" in said
        assert plugin.returncode == 1


def test_a_key_that_is_not_admitted_is_refused_with_the_words_of_ssh(sshd: SshServer) -> None:
    with pytest.raises(CallError, match=r"^ssh to .*: .*Permission denied"):
        open_tunnel(sshd.address, sshd.foreign_key)


def test_a_key_that_is_missing_is_named(sshd: SshServer) -> None:
    with pytest.raises(CallError, match=r"^there is no key file '/nowhere/key'$"):
        open_tunnel(sshd.address, "/nowhere/key")


def test_a_host_that_nobody_serves_is_refused_with_the_words_of_ssh(sshd: SshServer) -> None:
    with pytest.raises(
        CallError, match=r"^ssh to .*: connect to host 127.0.0.1 port \d+: Connection refused"
    ):
        open_tunnel(f"127.0.0.1:{free_port()}")


def test_a_host_whose_key_is_unknown_is_refused(sshd: SshServer) -> None:
    (sshd.folder / "known_hosts").write_text("")
    with pytest.raises(CallError, match="Host key verification failed"):
        open_tunnel(sshd.address, sshd.key)


def test_no_ssh_at_all_is_said(sshd: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sshd.folder))
    with pytest.raises(CallError, match="no program 'ssh' in PATH"):
        open_tunnel(sshd.address)


def test_an_sshd_that_dies_is_noticed(sshd: SshServer, served: Served) -> None:
    with Tunnel(sshd.address, sshd.key) as tunnel:
        here = tunnel.forward(served.controller.endpoint)
        with CircusClient(here, timeout=0.5) as client:
            sshd.kill()
            until(lambda: not tunnel.is_open, "ssh to notice")
            with pytest.raises(CallError):
                client.send("numwatchers")
        with pytest.raises(CallError, match=r"^ssh to "):
            tunnel.forward("tcp://127.0.0.1:1")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_it_outlives_who_asked_for_it(sshd: SshServer, signum: signal.Signals) -> None:
    code = (
        "import sys; from circus_core.clients.tunnel import open_tunnel;"
        "t = open_tunnel(*sys.argv[1:]); print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, sshd.address, sshd.key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(sshd.folder)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        until(lambda: len(list(ssh_programs(sshd.folder))) == 3, "ssh and its keepers")
        process.send_signal(signum)
        process.wait(DEADLINE)
    until(lambda: not list(ssh_programs(sshd.folder)), "ssh to be gone")
    until(lambda: not list(sshd.folder.glob("circus-ssh-*")), "its folder to be gone")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("host", Server("host")),
        ("me@host", Server("host", "me")),
        ("me@host:2222", Server("host", "me", 2222)),
        ("me@example.com@host:1", Server("host", "me@example.com", 1)),
        ("::1", Server("::1")),
        ("[::1]:22", Server("::1", None, 22)),
        ("root@[fe80::1]", Server("fe80::1", "root")),
    ],
)
def test_servers_are_read(text: str, server: Server) -> None:
    assert Server.parse(text) == server


@pytest.mark.parametrize("text", ["", "@h", "h:", "h:x", "h:0", "h:70000", "-oProxyCommand=x", "a b", "-u@h"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(CallError, match=r"must be \[USER@\]HOST\[:PORT\]"):
        Server.parse(text)


@pytest.mark.parametrize("endpoint", ["tcp://h", "h:1", "ipc://@abstract", "ipc://relative", "tcp://h:*"])
def test_what_can_not_be_forwarded_is_refused(sshd: SshServer, endpoint: str) -> None:
    with (
        Tunnel(sshd.address, sshd.key) as tunnel,
        pytest.raises(CallError, match="through ssh an endpoint must"),
    ):
        tunnel.forward(endpoint)
