"""circus-plugin against a daemon that asks for keys, and against one behind ssh."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from circus_core.access.keyring import Keyring
from circus_core.config.model import ArbiterConfig
from circus_core.events import Added
from circus_core.testing import until
from tests.controlled import Served
from tests.integration.sshd import SSHD, SshServer, ssh_programs

TELLER = """
from circus_core import CircusPlugin


class Teller(CircusPlugin):
    def handle_init(self):
        print("asked", self.call("numwatchers")["numwatchers"], flush=True)

    async def handle_event(self, event):
        reply = await self.ask("numwatchers")
        print("heard", event.topic, reply["status"], flush=True)

    def handle_stop(self):
        print("stopped", flush=True)
"""


@contextmanager
def _plugin(folder: Path, served: Served, *options: str) -> Iterator[Path]:
    """Run the plugin against a daemon; gives the file that holds what it prints."""
    (folder / "teller.py").write_text(TELLER)
    endpoints = ("--endpoint", served.controller.endpoint, "--pubsub", served.controller.pubsub_endpoint)
    words = [sys.executable, "-m", "circus_core.cli.circus_plugin", *endpoints, *options, "teller.Teller"]
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    said = folder / "said"
    with said.open("ab") as out:
        process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": path}, stdout=out, stderr=out)
    try:
        yield said
        process.terminate()
        assert process.wait(20) == 0
        assert "stopped" in said.read_text()
    finally:
        process.kill()
        process.wait()


def _hears(served: Served, said: Path) -> None:
    """Publish until it is heard: the plugin subscribes when it likes."""

    def is_heard() -> bool:
        served.on_loop(lambda: served.controller.publish(Added(watcher="W", time=1.5)))
        return "heard watcher.w.add ok" in said.read_text()

    until(is_heard, said.read_text)


def test_it_has_its_key_like_any_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUS_KEYS", str(tmp_path / "keys"))
    Keyring(str(tmp_path / "keys")).make("me")
    with Served(config=ArbiterConfig(auth="curve")) as served, _plugin(tmp_path, served) as said:
        _hears(served, said)
        assert "asked 3" in said.read_text()


@pytest.mark.skipif(SSHD is None, reason="needs sshd: Debian's package openssh-server")
def test_both_endpoints_go_through_one_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SshServer(tmp_path / "sshd") as server, Served() as served:
        monkeypatch.setenv("PATH", server.path)
        config = server.folder / "ssh_config"
        config.write_text(config.read_text().replace("IdentityFile none", f"IdentityFile {server.key}"))
        with _plugin(tmp_path, served, "--ssh", server.address) as said:
            _hears(served, said)
            assert list(ssh_programs(server.folder))
        assert not list(ssh_programs(server.folder))
