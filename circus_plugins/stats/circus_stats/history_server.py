"""Answers the daemon about the past, at an abstract name that only our user and root may use.

A question is one line of JSON, `{"name": null, "seconds": 3600, "series": null}`, the answer another,
`{"histories": {...}}`; then the connection ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Final

from circus_stats.history import ACTIVITY, FIGURES, HOUR, History

__all__ = ["ask_history", "is_one_of_us", "serve_history"]

log = logging.getLogger("circus")

_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_PATIENCE: Final = 5.0  # seconds for one question and its answer
_LONGEST: Final = 16 * 1024 * 1024  # bytes of an answer
_TRIES: Final = 20
_PAUSE: Final = 0.25  # seconds between them; who had the name before may still be ending


async def serve_history(history: History, name: str) -> asyncio.Server | None:
    """Begin to answer; the caller closes the server. None, and a warning, if the name stays taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if is_one_of_us(writer.get_extra_info("socket")):
                async with asyncio.timeout(_PATIENCE):
                    writer.write(_answer(history, await reader.readline()))
                    await writer.drain()
        except (OSError, TimeoutError, ValueError) as error:
            log.debug("a question about the past could not be answered: %s", error)
        except asyncio.CancelledError:
            log.debug(
                "a question about the past was not answered before the end"
            )  # Python 3.11 logs an error
        finally:
            writer.close()

    for _ in range(_TRIES):
        try:
            return await asyncio.start_unix_server(answer, path=f"\0{name}")
        except OSError as error:
            reason = error
            await asyncio.sleep(_PAUSE)
    log.warning("the command history will not work: %s", reason)
    return None


async def ask_history(name: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """Ask circusd-stats.

    Raises:
        OSError: it is not there, or not one of us.
        TimeoutError: it does not answer.
        ValueError: that is no answer.
    """
    async with asyncio.timeout(_PATIENCE):
        reader, writer = await asyncio.open_unix_connection(f"\0{name}", limit=_LONGEST)
        try:
            if not is_one_of_us(writer.get_extra_info("socket")):
                raise PermissionError("another user's program has its name")
            writer.write(json.dumps(question).encode() + b"\n")
            reply = json.loads(await reader.readline())
        finally:
            writer.close()
    if not isinstance(reply, dict) or not isinstance(reply.get("histories"), dict):
        raise ValueError("this is no history")
    return reply


def is_one_of_us(peer: socket.socket) -> bool:
    """Tell whether the other end is a process of our user or of root."""
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(told)
    return uid in (0, os.geteuid())


def _answer(history: History, line: bytes) -> bytes:
    question = json.loads(line)
    if not isinstance(question, dict):
        raise ValueError("a question is an object")
    series = question.get("series") or FIGURES + ACTIVITY
    histories = history.past(
        time.monotonic(),
        time.time(),
        name=question.get("name"),
        seconds=float(question.get("seconds") or HOUR),
        series=[str(each) for each in series],
    )
    return json.dumps({"histories": histories}).encode() + b"\n"
