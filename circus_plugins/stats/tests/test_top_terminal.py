"""A terminal that goes away takes nothing with it but itself."""

from __future__ import annotations

import os
import pty
from contextlib import suppress
from typing import IO, cast

from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

from circus_stats.top.terminal import LastingFile


def test_who_writes_to_a_terminal_that_was_closed_comes_to_an_end() -> None:
    ours, theirs = pty.openpty()
    terminal = open(theirs, "w")  # noqa: SIM115  to close it is an error, too
    os.close(ours)
    try:
        writer = WriterThread(cast(IO[str], LastingFile(terminal)))
        writer.start()
        for number in range(3 * MAX_QUEUED_WRITES):
            writer.write(f"line {number}\n" * 100)
        writer.stop()
        assert not writer.is_alive()
    finally:
        with suppress(OSError):
            terminal.close()
