"""uvicorn on a socket of circusd, such that a worker that is told to stop loses no request.

`uvicorn app:app --fd N` works too, but it hangs up on clients that it has accepted and not read from yet.
Here a worker stops accepting first - the socket stays open in circusd, so new clients go to another worker -
and then answers whoever it has accepted; each answer says that it is the last one on its connection.
"""

import argparse
import asyncio
import os
import socket

import uvicorn

LINGER = 1.0  # seconds that a connection is kept open for one more request


class Server(uvicorn.Server):
    """Leaves without hanging up on anyone."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listener in (listener for server in self.servers for listener in server.sockets):
            loop.remove_reader(listener)  # accept no more; Server.close() would drop those accepted just now
        for _ in range(5):  # they become known to uvicorn within three passes of the loop
            await asyncio.sleep(0)
        await self._say_goodbye()
        await super().shutdown(sockets)  # waits for the answers that are still being made

    async def _say_goodbye(self) -> None:
        """Answer what is still asked, until every connection is gone or has had its time."""
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        deadline = asyncio.get_running_loop().time() + LINGER
        while state.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="listening socket: $(circus.sockets.NAME)")
    parser.add_argument("--wid", required=True, help="number of this worker: $(circus.wid)")
    options = parser.parse_args()
    os.environ["WORKER"] = options.wid
    server = Server(uvicorn.Config("app:app", access_log=False, loop="asyncio"))
    # Not Config(fd=...): that takes any socket for a Unix one, without TCP_NODELAY: 40 ms for many answers.
    server.run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
