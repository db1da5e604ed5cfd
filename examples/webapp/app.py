"""The web application: plain ASGI, no framework. It runs under any ASGI server.

/                   which worker has answered, and how often the page was seen
/slow?seconds=2     an answer that takes its time
/health             ok
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LONGEST = 5.0  # seconds that /slow may take; less than the graceful_timeout of its watcher
PATIENCE = 2.0  # seconds to wait for the counter

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>circus-core: it runs</title>
<style>
  body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1rem;
         color: #222; background: #fdfcf9 }}
  b {{ font-size: 2.6rem; line-height: 1.2; display: block }}
  code {{ background: #eee8dc; padding: .1em .4em; border-radius: .3em }}
</style>
<p>This page was made by</p>
<b>worker {wid}, pid {pid}</b>
<p>It was seen {views} times, by whichever worker. Reload it: another worker may answer.</p>
<p>Try <code>kill -9 {pid}</code>, or <code>circusctl incr webapp</code>, and reload again.
  <a href="/slow?seconds=2">This page</a> takes two seconds;
  <a href="/health">this one</a> says whether all is well.</p>
</html>
"""


class Counter:
    """The counter service of this example, see counter.py. A connection for each question."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self, line: str) -> str:
        """Raises OSError or TimeoutError: no answer."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(f"{line}\n".encode())
                reply = await reader.readline()
            finally:
                writer.close()
        if not reply:
            raise ConnectionResetError("the counter has closed the connection")
        return reply.decode().strip()


counter = Counter(int(os.environ.get("COUNTER_PORT", "8001")))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    query = parse_qs(scope["query_string"].decode())
    match scope["path"]:
        case "/":
            await reply(send, 200, "text/html", await page())
        case "/slow":
            await asyncio.sleep(_seconds(query))
            await reply(send, 200, "text/plain", f"that took its time, says pid {os.getpid()}\n")
        case "/health":
            healthy, report = await health()
            await reply(send, 200 if healthy else 503, "application/json", report)
        case _:
            await reply(send, 404, "text/plain", "there is /, /slow?seconds=2 and /health\n")


async def page() -> str:
    try:
        views = await counter.ask("INCR views")
    except OSError:  # TimeoutError too
        views = "we don't know how many"
    return PAGE.format(wid=os.environ.get("WORKER", "?"), pid=os.getpid(), views=views)


async def health() -> tuple[bool, str]:
    try:
        counter_lives = await counter.ask("PING") == "PONG"
    except OSError as error:
        print(f"the counter does not answer: {error!r}", flush=True)
        counter_lives = False
    return counter_lives, json.dumps({"pid": os.getpid(), "counter": counter_lives}) + "\n"


async def reply(send: Send, status: int, kind: str, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-worker-pid", str(os.getpid()).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _seconds(query: dict[str, list[str]]) -> float:
    try:
        return min(max(float(query.get("seconds", ["1"])[0]), 0.0), LONGEST)
    except ValueError:
        return 1.0
