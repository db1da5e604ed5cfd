"""What the pictures of the documentation show at work: it serves, works or fails, and talks about it."""

from __future__ import annotations

import math
import os
import random
import socket
import sys
import time

ROUND_SECONDS = 0.5
PATHS = ("/", "/basket", "/search?q=lamp", "/item/4711", "/login", "/static/app.css")
JOBS = ("resized photo", "sent mail to customer", "indexed article", "removed expired basket")


def main(what: str, *words: str) -> None:
    """Do what the command line says until the end."""
    if what == "serve":
        _serve(int(words[0]))
    elif what == "work":
        _work(int(words[0]))
    else:
        _say("33", "WARNING", "no file in inbox/, trying the mirror")
        sys.exit("mirror.example.org: connection refused")


def _serve(fd: int) -> None:
    """Answer at an inherited socket; there are always some who ask."""
    listener = socket.socket(fileno=fd)
    listener.settimeout(ROUND_SECONDS)
    while True:
        socket.create_connection(listener.getsockname()).close()
        try:
            listener.accept()[0].close()
        except TimeoutError:
            continue
        status = random.choices((200, 304, 404, 500), (60, 20, 6, 1))[0]
        colour = "31" if status == 500 else "33" if status == 404 else "32"
        _say(colour, "INFO" if status < 500 else "ERROR", f'"GET {random.choice(PATHS)}" {status}')
        _burn(random.uniform(0.0, 0.02))
        time.sleep(random.uniform(0.02, 0.2))


def _work(percent: int) -> None:
    """Take about so much of a processor, in waves, and some memory."""
    memory = []
    while True:
        wave = 1 + 0.7 * math.sin(time.time() / 17 + os.getpid())
        _burn(ROUND_SECONDS * percent / 100 * wave / 4)
        memory.append(bytes(random.randint(0, 200_000)))
        del memory[: -random.randint(20, 60)]
        if random.random() < 0.15:
            _say("36", "INFO", f"{random.choice(JOBS)} {random.randint(1000, 9999)}")
        time.sleep(ROUND_SECONDS)


def _burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def _say(colour: str, level: str, text: str) -> None:
    print(f"\x1b[{colour}m{level:<7}\x1b[0m {text}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
