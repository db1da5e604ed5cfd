"""tsuru-circus, of 2015, brings plugins: one of them runs on Python 3, as a watcher and by circus-plugin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.embedders.programs.waiting import children, free_ports, until

PLUGIN = "tsuru.plugins.ProcfileWatcher"


def main() -> None:
    from circus.client import CircusClient

    endpoint, pubsub = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    Path("circus.ini").write_text(
        f"[circus]\nendpoint = {endpoint}\npubsub_endpoint = {pubsub}\n"
        f"[watcher:web]\ncmd = sleep 1004\n[plugin:procfile]\nuse = {PLUGIN}\n"
    )
    programs = Path(sys.executable).parent
    with subprocess.Popen([str(programs / "circusd"), "circus.ini"]) as daemon:
        try:
            client = CircusClient(endpoint=endpoint)
            until(lambda: children("sleep 1004", daemon.pid), "the watcher")
            (plugin,) = until(lambda: children(PLUGIN, daemon.pid), "the plugin")
            words = ["--endpoint", endpoint, "--pubsub", pubsub, "--log-level", "info", PLUGIN]
            with subprocess.Popen(
                [str(programs / "circus-plugin"), *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as another:
                assert another.stdout is not None
                until(
                    lambda: "Starting" in (another.stdout.readline() if another.stdout else ""), "its start"
                )
                for _ in range(3):
                    assert client.send_message("restart", name="web", waiting=True)["status"] == "ok"
                another.send_signal(signal.SIGINT)
                said = another.stdout.read()
            assert another.returncode == 0, said
            assert "Traceback" not in said, said
            assert client.send_message("list", name="plugin:procfile")["pids"] == [plugin]  # it still runs
            assert client.send_message("quit", waiting=True)["status"] == "ok"
            client.stop()
            assert daemon.wait(20) == 0
            assert not os.path.exists(f"/proc/{plugin}")
        finally:
            daemon.kill()


if __name__ == "__main__":
    main()
