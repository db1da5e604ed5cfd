"""The streams of Circus 0.19: classes that work when they are subclassed, and what reads pipes into them."""

from __future__ import annotations

from importlib.metadata import entry_points
from queue import Empty, Queue
from typing import Any

from circus.stream.file_stream import FileStream, TimedRotatingFileStream, WatchedFileStream
from circus.stream.overriding import CalledStream
from circus.stream.redirector import Redirector
from circus.util import resolve_name, to_str
from circus_streams import FancyStdoutStream as CoreFancyStdoutStream
from circus_streams import QueueStream
from circus_streams import StdoutStream as CoreStdoutStream

__all__ = [
    "Empty",
    "FancyStdoutStream",
    "FileStream",
    "Queue",
    "QueueStream",
    "Redirector",
    "StdoutStream",
    "TimedRotatingFileStream",
    "WatchedFileStream",
    "get_stream",
    "resolve_name",
    "to_str",
]


class StdoutStream(CalledStream, CoreStdoutStream):
    """Writes each chunk to standard output."""


class FancyStdoutStream(CalledStream, CoreFancyStdoutStream):
    """Writes each line to standard output, coloured, with time and pid."""


def get_stream(conf: dict[str, Any], reload: bool = False) -> Any:
    """Make the stream that a configuration asks for; None if it is empty.

    Args:
        conf: `class` with the name of a stream or a dotted path, or `stream` with the object itself, or only
            options, for FileStream; it is not changed.
        reload: import its module once more.

    Raises:
        KeyError: there is no stream of this name.
        ImportStringError: the dotted path can't be imported.
        ValueError: it names neither a class nor a file.
    """
    if not conf:
        return None
    if "stream" in conf:
        return conf["stream"]
    options = {key: value for key, value in conf.items() if key != "class"}
    if "class" in conf:
        return _stream_class(conf["class"], reload=reload)(**options)
    if "filename" not in conf:
        raise ValueError("stream configuration invalid")
    return FileStream(**options)


def _stream_class(name: str, *, reload: bool) -> Any:
    if "." in name or ":" in name:
        return resolve_name(name, reload=reload)
    if name in __all__:
        return globals()[name]
    for entry in entry_points(group="circus.streams", name=name):
        return entry.load()
    raise KeyError(name)
