"""Runs a Python program again and again, each time in a fork of one interpreter that has imported all of it.

    python forked.py PROGRAM

Each line of input is a JSON array, the arguments of one run; each line of output is one with its exit status,
its output and its errors. Runs with any Python, and knows nothing of the program but its path.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from typing import IO


def main() -> None:
    program = sys.argv[1]
    runpy.run_path(program, run_name="imported")
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
            pid = os.fork()
            if pid == 0:
                _become(program, json.loads(line), out, error)
                return
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            print(json.dumps([status, _text(out), _text(error)]), flush=True)


def _become(program: str, words: list[str], out: IO[bytes], error: IO[bytes]) -> None:
    """Run the program to the end of this process; what it raises is the interpreter's to show."""
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out.fileno(), error.fileno())):
        os.dup2(file, number)
    sys.stdin = open(0)  # noqa: SIM115  # closed by the interpreter, as the usual one
    sys.argv = [program, *words]
    runpy.run_path(program, run_name="__main__")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    main()
