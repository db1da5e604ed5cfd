"""A counter that several processes share: a line asks, a line answers, as with Redis. It lives in memory.

INCR name    the new number
GET name     the number
PING         PONG

By hand: printf 'INCR views\\n' | nc 127.0.0.1 8001
"""

import argparse
import asyncio
import signal
import socket
from collections import Counter

LONGEST_LINE = 1024  # bytes
LINGER = 1.0  # seconds that a client may still take when the service is told to stop


def answer(line: str, counts: Counter[str]) -> str:
    match line.split():
        case ["PING"]:
            return "PONG"
        case ["INCR", name]:
            counts[name] += 1
            return str(counts[name])
        case ["GET", name]:
            return str(counts[name])
        case _:
            return "ERROR say INCR name, GET name or PING"


class Service:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._clients: set[asyncio.Task[None]] = set()

    def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def say_goodbye(self) -> None:
        """Let clients finish, but not for long."""
        if self._clients:
            await asyncio.wait(self._clients, timeout=LINGER)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it leaves."""
        try:
            while line := await reader.readline():
                writer.write(f"{answer(line.decode(errors='replace'), self._counts)}\n".encode())
                await writer.drain()
        except (ConnectionError, ValueError):  # it is gone, or its line has no end
            pass
        finally:
            writer.close()


async def main(listener: socket.socket) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    service = Service()
    server = await asyncio.start_server(service.welcome, sock=listener, limit=LONGEST_LINE)
    print("ready")
    await stop.wait()
    # The socket stays open in circusd: new clients wait for the next process. Server.close() would drop
    # those accepted just now, so only accepting ends here; they are clients within three passes of the loop.
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(5):
        await asyncio.sleep(0)
    await service.say_goodbye()
    server.close()
    print("bye")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A counter that several processes share.")
    parser.add_argument("--fd", type=int, required=True, help="listening socket: $(circus.sockets.NAME)")
    asyncio.run(main(socket.socket(fileno=parser.parse_args().fd)))
