"""The terminal: what is typed there, also what is no text; what is shown, also when nobody looks any more."""

from __future__ import annotations

from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

__all__ = ["LastingFile", "PatientDriver"]


class PatientDriver(LinuxDriver):
    """Leaves out what is not UTF-8, as a bad line or a paste sends it; Textual's own ends the program.

    It also outlives its terminal. The thread of Textual that writes ends with the first error, as when a
    window is closed, and the program waits without end for it to take what is left.
    """

    def __init__(
        self,
        app: App[object],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        if self._file is not None:
            self._file = cast(TextIOWrapper, LastingFile(self._file))

    def run_input_thread(self) -> None:
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except UnicodeDecodeError:
                continue
            return


class LastingFile:
    """Takes what is written, also when the file has gone; on the thread of who writes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Return the number of characters."""
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()
