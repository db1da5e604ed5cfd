"""What badly behaved plugins cost the supervision of 100 other processes, in both hosts.

For each plugin: a process is killed again and again, and the time until its replacement runs is taken; at the
same time another client asks for `status`. Usage: python benchmarks/plugins.py [SECONDS]
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from circus_core.testing import Daemon

PLUGINS = """
import threading, time
from circus_core import CircusPlugin

class Plain(CircusPlugin):
    def handle_recv(self, data): pass

class Endless(Plain):
    def handle_init(self): self.loop.call_later(0.2, self.spin)
    def spin(self):
        while True: pass

class Raising(Plain):
    def handle_recv(self, data): raise RuntimeError("never")

class Deaf(Plain):
    def handle_recv(self, data): time.sleep(3600)

class Flooding(Plain):
    def handle_init(self): threading.Thread(target=self.flood, daemon=True).start()
    def flood(self):
        began = time.monotonic()
        for _ in range(100_000): self.cast("numwatchers")
        print("FLOOD", 100_000 / (time.monotonic() - began), flush=True)
"""
WATCHERS = "[watcher:many]\ncmd = sleep 1000\nnumprocesses = 99\n[watcher:victim]\ncmd = sleep 1000\n"


@contextmanager
def daemon(plugin: str, host: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plugs.py").write_text(PLUGINS)
        name = "Plain" if plugin == "None" else plugin
        options = "hang_timeout = 0\ngraceful_timeout = 0.2\nautostart = False\n"
        section = f"[plugin:p]\nuse = plugs.{name}\nrun_in = {host}\n{options}"
        with Daemon(Path(folder) / "d", WATCHERS + section, env={"PYTHONPATH": folder}) as started:
            started.may_fail = True
            started.watcher("many").until_pids(99)
            if plugin != "None":
                started.call("start", name="plugin:p")
                started.events.wait("plugin:p", "ready")
            yield started


def figures(values: list[float]) -> str:
    values = sorted(values)
    p50, p99 = values[len(values) // 2], values[int(len(values) * 0.99)]
    return f"{p50 * 1000:7.1f} {p99 * 1000:7.1f} {values[-1] * 1000:7.1f}"


def measure(plugin: str, host: str, seconds: float) -> str:
    with daemon(plugin, host) as subject, subject.client() as client:
        asked: list[float] = []
        is_over = threading.Event()

        def ask() -> None:
            while not is_over.is_set():
                began = time.monotonic()
                client.send("status")
                asked.append(time.monotonic() - began)
                time.sleep(0.005)

        asking = threading.Thread(target=ask)
        asking.start()
        replaced = []
        time.sleep(0.5)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, last, began = subject.watcher("victim").pid(), subject.events.last, time.monotonic()
            os.kill(pid, signal.SIGKILL)
            subject.events.wait("victim", "spawn", after=last)
            replaced.append(time.monotonic() - began)
            subject.call("restart", name="victim", waiting=True)  # forgives the quick death
        is_over.set()
        asking.join()
        memory = psutil.Process(subject.pid).memory_info().rss / 2**20
        floods = [line.split()[1] for line in subject.log().splitlines() if line.startswith("FLOOD")]
        flood = f"  {float(floods[0]):.0f} requests/s" if floods else ""
        return f"{figures(replaced)} {figures(asked)}  {memory:5.1f}{flood}"


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print("                    replaced, ms            status, ms               MB")
    print("                    p50     p99     max     p50     p99     max    daemon")
    for plugin in ("None", "Plain", "Endless", "Raising", "Deaf", "Flooding"):
        for host in ("process", "daemon") if plugin != "None" else ("-",):
            print(
                f"{plugin:9s} {host:8s}", measure(plugin, host.replace("-", "process"), seconds), flush=True
            )


if __name__ == "__main__":
    main()
