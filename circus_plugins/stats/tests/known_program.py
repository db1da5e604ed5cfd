"""A program whose figures are known: run as `known_program.py FOLDER`; says so when it has done everything.

It uses CPU seconds of cpu time, MEMORY bytes, DESCRIPTORS more than it has anyway and THREADS threads;
WRITTEN bytes go to a file of FOLDER. A child of it uses CPU seconds more and ends, another stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

CPU = 0.4
MEMORY = 64 << 20
DESCRIPTORS = 50
THREADS = 4
WRITTEN = 8 << 20
SWITCHES = 30


def burn(seconds: float) -> None:
    while time.process_time() < seconds:
        pass


def main(folder: str) -> None:
    burn(CPU)
    held = b"x" * MEMORY
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(DESCRIPTORS)]
    end = threading.Event()
    for _ in range(THREADS - 1):
        threading.Thread(target=end.wait, daemon=True).start()
    with open(os.path.join(folder, "written"), "wb") as file:
        file.write(b"y" * WRITTEN)
        file.flush()
        os.fsync(file.fileno())
    for _ in range(SWITCHES):
        time.sleep(0.001)
    script = f"import time\nwhile time.process_time() < {CPU}: pass"
    subprocess.run([sys.executable, "-c", script], check=True)
    with subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL):
        open(os.path.join(folder, "done"), "wb").close()
        end.wait()
    print(len(held), len(opened))


if __name__ == "__main__":
    main(sys.argv[1])
