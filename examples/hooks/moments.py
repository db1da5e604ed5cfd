"""The functions named in circus.ini.

Each runs on a thread of circusd, so it may wait, and its watcher waits for it.
Only a true result lets things go on.
"""

import socket
import time
from typing import Any

from circus_core import WatcherView


def service_answers(watcher: WatcherView, **_: Any) -> bool:
    """Wait until the service takes connections; hook_timeout ends the patience."""
    address = ("127.0.0.1", int(watcher.config.env["PORT"]))
    while True:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True


def note_pid(watcher: WatcherView, pid: int, **_: Any) -> bool:
    """Write down each process of the watcher, as other tools like to have it."""
    with open(f"{watcher.name}.pid", "w") as file:
        file.write(f"{pid}\n")
    return True
