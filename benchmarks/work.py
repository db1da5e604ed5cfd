"""What a contestant is asked to keep running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """N processes of a command, in the words that all supervisors share.

    Attributes:
        command: argument vector, the program by its absolute path; no shell.
        count: how many.
        are_apart: each is a watcher (a service, a program) of its own, where there is a choice.
        output: empty folder in which the contestant makes files of what the processes write to their standard
            output (`Running.written` finds them); None: nobody takes it (/dev/null).
        rotate_at: bytes of a file at which it is rotated, and none of a hundred is removed; None: never, or
            as seldom as the contestant can.
        has_time_stamps: each line of the output gets the time in front.
        is_kept_alive: a process that ends gets a replacement, without a delay if the contestant can do so.
    """

    command: tuple[str, ...]
    count: int = 1
    are_apart: bool = False
    output: Path | None = None
    rotate_at: int | None = None
    has_time_stamps: bool = False
    is_kept_alive: bool = True
