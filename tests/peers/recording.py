"""A program that writes down how it was started and which signals it got, for comparisons of supervisors.

    recording.py FILE [exit=STATUS times=N] [child] [deaf] [WORD...]

Each start appends a line of JSON to FILE and each signal another one. With `exit` the first N starts end with
STATUS at once; a later one stays. `child` starts another one that writes to FILE.child; `deaf` goes on after
a signal. The file whose name ends in `.ready` tells that signals are written down.
"""

import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path


def main() -> None:
    file, words = sys.argv[1], sys.argv[2:]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    write(file, {"start": facts()})
    if "exit" in options and starts(file) <= int(options["times"]):
        sys.exit(int(options["exit"]))
    children: list[subprocess.Popen[bytes]] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(signum, lambda number, _: received(file, number, children, ends="deaf" not in words))
    if "child" in words:
        children.append(subprocess.Popen([sys.executable, *sys.orig_argv[1:2], __file__, f"{file}.child"]))
    Path(f"{file}.ready").touch()
    while True:
        signal.pause()


def facts() -> dict[str, object]:
    umask = os.umask(0)
    os.umask(umask)
    return {
        "argv": sys.argv[1:],
        "cwd": os.getcwd(),
        "env": dict(os.environ),
        "groups": sorted(os.getgroups()),
        "ids": [*os.getresuid(), *os.getresgid()],
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "stdin": listening_address(),
        "umask": umask,
    }


def listening_address() -> object:
    """The address of the socket that is standard input, if it is one."""
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        return None
    with socket.socket(fileno=os.dup(0)) as given:
        return given.getsockname()


def received(file: str, number: int, children: list[subprocess.Popen[bytes]], *, ends: bool) -> None:
    """End after one's children, as servers with workers do."""
    write(file, {"signal": signal.Signals(number).name})
    if ends:
        for child in children:
            child.wait()
        os._exit(0)


def starts(file: str) -> int:
    return sum("start" in json.loads(line) for line in Path(file).read_text().splitlines())


def write(file: str, record: dict[str, object]) -> None:
    with open(file, "a") as output:
        output.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
