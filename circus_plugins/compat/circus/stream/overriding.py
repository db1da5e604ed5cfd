"""Streams of circus-streams that may be subclassed as those of 0.19 were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

__all__ = ["CalledStream", "WrittenStream"]


def _place(cls: type, method: str) -> int:
    """Return how far up a class has a method from; the last place if it has none."""
    places = (place for place, each in enumerate(cls.__mro__) if method in vars(each))
    return next(places, len(cls.__mro__))


class CalledStream:
    """Has a subclass with a `__call__`, or a `write_data`, of its own called with every chunk.

    Without one, output may go to where it belongs without ever being a chunk.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if min(_place(cls, "__call__"), _place(cls, "write_data")) < _place(cls, "take"):
            cls.take = None  # type: ignore[attr-defined]  # the daemon calls streams without it


class WrittenStream(CalledStream):
    """A file stream whose subclasses change what is written, or write by themselves."""

    _filename: str
    _own_file: TextIO | None = None

    def take(self, fd: int, labels: Mapping[str, Any]) -> bytes | int:
        """As the stream does."""
        taken: bytes | int = super().take(fd, labels)  # type: ignore[misc]  # of the class beside this one
        return taken

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        self.write_data(chunk)

    def write_data(self, data: Mapping[str, Any]) -> None:
        """Write one chunk."""
        super().__call__(data)  # type: ignore[misc]  # of the class beside this one

    @property
    def _file(self) -> TextIO:
        """The file for a `__call__` of a subclass that writes to it: at its end, and without rotation."""
        if self._own_file is None:
            self._own_file = open(self._filename, "a", errors="backslashreplace")  # noqa: SIM115  see close()
        return self._own_file

    @_file.setter
    def _file(self, file: TextIO) -> None:
        self._own_file = file

    def reopen(self) -> None:
        """As the stream does; the subclass gets the new file, too."""
        self._close_own()
        super().reopen()  # type: ignore[misc]  # of the class beside this one

    def close(self) -> None:
        """As the stream does."""
        self._close_own()
        super().close()  # type: ignore[misc]  # of the class beside this one

    def _close_own(self) -> None:
        own, self._own_file = self._own_file, None
        if own is not None:
            own.close()
