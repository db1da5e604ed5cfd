"""A program on a terminal of tmux: typed into, and read from the screen."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.integration.daemon import DEADLINE, until

__all__ = ["TMUX", "Terminal"]

TMUX = shutil.which("tmux")


# tmux does not tell everywhere how a program ended; Ctrl-C is for the program, not for this shell.
_AND_TELL = 'trap "" INT; (trap - INT; exec "$@"); echo "[ended with $?]"; exec cat'


class Terminal:
    """A screen, of 100 x 40 if not told otherwise. A context manager; the program is killed at the end."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        size: tuple[int, int] = (100, 40),
    ) -> None:
        """`folder` is where the program runs; `size` are columns and lines."""
        self._folder = folder
        self._size = [str(each) for each in size]
        self._tmux = [str(TMUX), "-S", str(folder / f"tmux-{secrets.token_hex(4)}"), "-f", "/dev/null"]
        self._command = ["/bin/sh", "-c", _AND_TELL, "sh", *command]
        self._env = {**env, "LC_ALL": "C.UTF-8"}

    def __enter__(self) -> Self:
        terminal = ["set", "-g", "default-terminal", "tmux-256color", ";"]
        columns, lines = self._size
        subprocess.run(
            [*self._tmux, *terminal, "new-session", "-d", "-x", columns, "-y", lines, *self._command],
            env=self._env,
            cwd=self._folder,
            check=True,
            timeout=DEADLINE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("kill-server")

    def resize(self, columns: int, lines: int) -> None:
        """Give the screen another size."""
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def type(self, *keys: str) -> None:
        """Press keys: Enter, Tab, C-c and so on; everything else is typed as it is."""
        for key in keys:
            named = re.fullmatch(r"Enter|Tab|Space|BSpace|Up|Down|Escape|C-.", key)
            self._run("send-keys", *([] if named else ["-l"]), "--", key)

    def send(self, data: bytes) -> None:
        """Let bytes arrive as they are."""
        self._run("send-keys", "-H", *(f"{byte:02x}" for byte in data))

    def screen(self, *, colours: bool = False) -> str:
        """Return what is on the screen and above it, blanks at the ends of lines left out."""
        text = self._run("capture-pane", "-p", "-S", "-", *(["-e"] if colours else []))
        return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n")

    def wait_for(self, text: str, *, count: int = 1, colours: bool = False) -> str:
        """Wait until the screen shows a text so many times; returns the screen."""
        until(
            lambda: self.screen(colours=colours).count(text) >= count,
            lambda: f"{text!r} x {count} in:\n{self.screen(colours=colours)}",
        )
        return self.screen(colours=colours)

    def complete(self, typed: str, line: str) -> None:
        """Type something, and press Tab until the last line is this: a daemon gets little time to answer."""
        self.type(typed)
        for _ in range(5):
            self.type("Tab")
            with suppress(AssertionError):
                until(lambda: self.last_line() == line, deadline=4)
                return
        self.wait_for_line(line)

    def wait_for_line(self, text: str) -> None:
        """Wait until the last line of the screen is this."""
        until(lambda: self.last_line() == text, lambda: f"last line {text!r} in:\n{self.screen()}")

    def last_line(self) -> str:
        return self.screen().rpartition("\n")[2]

    def exit_status(self) -> int:
        """Wait for the end of the program."""
        found = re.search(r"^\[ended with (\d+)\]$", self.wait_for("\n[ended with "), re.MULTILINE)
        assert found
        return int(found[1])

    def processes(self) -> list[psutil.Process]:
        """Return all that runs on it."""
        shell = psutil.Process(int(self._run("display-message", "-p", "#{pane_pid}")))
        return [shell, *shell.children(recursive=True)]

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], capture_output=True, text=True, timeout=DEADLINE, check=False
        )
        return done.stdout
