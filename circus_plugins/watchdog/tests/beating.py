"""A program that sends heartbeats: beating.py HOW ADDRESS, one each 0.05 s until it gets SIGUSR1.

HOW: udp (ADDRESS is a port), nonsense (the same, but no heartbeats), notify (to $NOTIFY_SOCKET), silent,
lost (it says so to $NOTIFY_SOCKET).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import suppress

beats = True


def stop(*_: object) -> None:
    global beats
    beats = False


def main(how: str, port: str) -> None:
    signal.signal(signal.SIGUSR1, stop)
    while True:
        if beats:
            with suppress(OSError):  # the plugin may have gone
                beat(how, port)
        time.sleep(0.05)


def beat(how: str, port: str) -> None:
    if how in ("notify", "lost"):
        path = os.environ["NOTIFY_SOCKET"]
        assert int(os.environ["WATCHDOG_USEC"]) > 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heart:
            said = b"STATUS=fine\nWATCHDOG=1\n" if how == "notify" else b"WATCHDOG=trigger"
            heart.sendto(said, f"\0{path[1:]}" if path.startswith("@") else path)
    elif how != "silent":
        text = f"{os.getpid()};{time.time()}" if how == "udp" else "hello there"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heart:
            heart.sendto(text.encode(), ("127.0.0.1", int(port)))


main(*sys.argv[1:])
