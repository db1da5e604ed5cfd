"""One heap for all threads, in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_CODE = """
import re, threading
from circus_core.cli.heap import share_heap
share_heap()
kept = []
thread = threading.Thread(target=lambda: kept.append([bytes(n) for n in range(1000, 3000)]))
thread.start()
thread.join()
print(hex(id(kept[0][0])), *re.findall(r"(\\w+)-(\\w+) .*\\[heap\\]", open("/proc/self/maps").read())[0])
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="there is no /proc")
def test_a_thread_allocates_where_the_first_one_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, timeout=60, check=True
    )
    place, start, end = (int(word, 16) for word in done.stdout.split())
    assert start <= place < end
