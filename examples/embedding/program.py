"""A program that supervises processes itself: no daemon, no endpoint, nothing of the program is changed.

Run it: python program.py
"""

import asyncio
import os
import signal

from circus_core import Event, get_arbiter

WORKER = {"name": "worker", "cmd": "sleep 3600", "numprocesses": 2}


async def main() -> None:
    events: asyncio.Queue[Event] = asyncio.Queue()
    async with get_arbiter([WORKER], with_endpoints=False) as arbiter:
        worker = arbiter.get_watcher("worker")
        await worker.start()  # done when its processes are there
        print("it runs:", len(worker.processes), "processes")

        await worker.incr()
        print("one more:", len(worker.processes), "processes")

        arbiter.listeners.append(events.put_nowait)
        os.kill(min(worker.processes), signal.SIGKILL)
        await the_next("reap", events)
        await the_next("spawn", events)
        print("one was killed, and replaced:", len(worker.processes), "processes")
    print("all gone")


async def the_next(action: str, events: asyncio.Queue[Event]) -> None:
    """Wait for an event; docs/wire.md lists them."""
    while (await events.get()).action != action:
        pass


if __name__ == "__main__":
    asyncio.run(main())
