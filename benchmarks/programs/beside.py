"""Bind a port and run copies of a command that inherit the socket, until SIGTERM: what nobody watches.

python beside.py PORT COUNT WORD...    `FD` in a word becomes the number of the socket.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

__all__ = ["main"]


def main() -> None:
    port, count, *words = sys.argv[1:]
    with socket.create_server(("127.0.0.1", int(port)), backlog=2048) as listener:
        number = listener.fileno()
        command = [word.replace("FD", str(number)) for word in words]
        copies = [
            subprocess.Popen(command, pass_fds=[number], start_new_session=True) for _ in range(int(count))
        ]
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.sigwait([signal.SIGTERM])
        for copy in copies:
            copy.terminate()
        for copy in copies:
            copy.wait()


if __name__ == "__main__":
    main()
