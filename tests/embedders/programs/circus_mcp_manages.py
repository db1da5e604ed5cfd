"""circus-mcp starts circusd and drives it by CircusClient, from threads of an asyncio program."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from tests.embedders.programs.waiting import children, free_ports, until


async def main() -> None:
    from circus_mcp.manager import CircusManager  # type: ignore[import-not-found]

    endpoint, pubsub = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    Path("circus.ini").write_text(
        f"[circus]\nendpoint = {endpoint}\npubsub_endpoint = {pubsub}\n[watcher:web]\ncmd = sleep 1001\n"
    )
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    manager = CircusManager(endpoint)
    assert manager.start_daemon()
    assert manager.is_daemon_running()
    assert await manager.connect()

    async def expect(answer: dict[str, Any], **wanted: object) -> None:
        assert answer == answer | {"status": "ok"} | wanted, answer

    await expect(await manager.add_process("job", "sleep 1002", numprocesses=1))
    await expect(await manager.start_process("job"))
    until(lambda: children("sleep 1002"), "the new process")
    await expect(await manager.list_processes(), watchers=["job", "web"])
    await expect(await manager.get_process_status("job"), status="active")
    everything = await manager.get_all_status()
    assert {name: status["status"] for name, status in everything["processes"].items()} == {
        "job": "active",
        "web": "active",
    }
    assert (await manager.ensure_started("job"))["message"] == "Process 'job' is already running"
    await expect(await manager.restart_process("web"))
    until(lambda: children("sleep 1001"), "the restarted process")
    infos = (await manager.get_stats())["infos"]
    assert set(infos) == {"job", "web"}
    await expect(await manager.ensure_stopped("job"))
    until(lambda: not children("sleep 1002"), "the end of a stopped process")
    await expect(await manager.remove_process("job"))
    until(lambda: not children("sleep 1002"), "the end of a removed process")
    await expect(await manager.stop_all())
    until(lambda: not children("sleep 1001"), "the end of all")
    await expect(await manager.start_all())
    until(lambda: children("sleep 1001"), "a new beginning")
    assert manager.stop_daemon()
    assert not children("sleep 100")
    manager.client.stop()


if __name__ == "__main__":
    asyncio.run(main())
