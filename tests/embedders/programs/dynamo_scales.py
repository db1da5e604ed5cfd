"""NVIDIA Dynamo 0.3 serves models in several parts.

It subclasses Arbiter and builds Watcher and CircusSocket objects by hand; its planner adds and removes
watchers by a CircusClient while the arbiter runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tests.embedders.programs.waiting import children, free_ports, until

WORKER = """\
import signal, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
print(listener.getsockname(), flush=True)
signal.pause()
"""


@dataclass
class Service:
    name: str


def main() -> None:
    endpoint, pubsub = free_ports(2)
    os.environ |= {
        "DYN_CIRCUS_ENDPOINT_PORT": str(endpoint),
        "DYN_CIRCUS_PUBSUB_PORT": str(pubsub),
        "DYN_CIRCUS_LOG_DIR": str(Path("logs").resolve()),
    }
    from dynamo.sdk.cli.circus import (  # type: ignore[import-not-found]
        CircusRunner,
        _get_server_socket,
        create_arbiter,
        create_circus_watcher,
    )

    uri, listener = _get_server_socket(Service("frontend"), str(Path().resolve()))
    watcher = create_circus_watcher(
        name="frontend", args=["-c", WORKER, "$(circus.sockets.frontend)"], numprocesses=2, singleton=False
    )
    arbiter = create_arbiter([watcher], sockets=[listener])
    said: list[str] = []
    planner = threading.Thread(target=plan, args=(f"tcp://127.0.0.1:{endpoint}", said))
    started: list[object] = []

    def begin(future: object) -> None:
        started.append(future)
        planner.start()

    with CircusRunner(arbiter):
        arbiter.start(cb=begin)
    planner.join()
    assert started
    assert said == ["added", "listed", "removed", "stopped"], said
    log = Path("logs/frontend/output.log").read_text().split()
    assert len(log) == 2, log
    assert all(line.strip("'").startswith(uri.removeprefix("file://")) for line in log), (uri, log)


def plan(endpoint: str, said: list[str]) -> None:
    """What the planner does in a process of its own: it scales up, then down, then ends all."""
    from dynamo.planner.circusd import CircusController  # type: ignore[import-not-found]

    async def work() -> None:
        controller = CircusController(endpoint)
        until(lambda: len(children("socket.socket(fileno")) == 2, "two workers")
        if await controller.add_watcher(
            "decode_1", f"{sys.executable} -c 'import time; time.sleep(1000)'", env={"A": "b"}
        ):
            said.append("added")
        until(lambda: len(children("sleep(1000)")) == 1, "the new worker")
        if set(await controller._list_watchers()) == {"frontend", "decode_1"}:
            said.append("listed")
        if await controller.remove_watcher("decode_1", retry_delay=0.1):
            said.append("removed")
        assert not children("sleep(1000)")
        if controller.client.send_message("quit", waiting=False)["status"] == "ok":
            said.append("stopped")
        controller.close()

    asyncio.run(work())


if __name__ == "__main__":
    main()
