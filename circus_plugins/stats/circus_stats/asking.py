"""Asks the daemon who is who."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from circus_core import AsyncCircusClient, RefusedError
from circus_stats.roster import Roster, Socket

__all__ = ["ask_roster"]

_AT_A_TIME: Final = 32
"""Requests that may be unanswered; a daemon takes 256 of a connection."""


async def ask_roster(client: AsyncCircusClient) -> Roster:
    """Return what the daemon tells of its watchers, processes and sockets.

    What happens meanwhile may be missing: take in the events that came since this was begun.

    Raises:
        CallError: it does not answer.
        RefusedError: we may not ask.
    """
    daemon = (await client.send("dstats"))["info"]
    options = (await client.send("globaloptions"))["options"]
    names = list((await client.send("status"))["statuses"])
    turns = asyncio.Semaphore(_AT_A_TIME)

    async def pids_of(name: str) -> list[int]:
        async with turns:
            try:
                return [int(pid) for pid in (await client.send("list", name=name))["pids"]]
            except RefusedError:  # it was removed meanwhile
                return []

    pids = await asyncio.gather(*(pids_of(name) for name in names))
    sockets = (await client.send("listsockets"))["sockets"]
    return Roster(
        int(daemon["pid"]),
        dict(zip(names, pids, strict=True)),
        [_socket(each) for each in sockets],
        endpoint=str(options.get("endpoint", "")),
    )


def _socket(told: Mapping[str, Any]) -> Socket:
    address = told["path"] if "path" in told else f"{told['host']}:{told['port']}"
    return Socket(int(told["fd"]), str(told["name"]), str(address))
