"""Output streams: where the output of a child goes."""

from circus_streams.file import FileStream
from circus_streams.stdout import StdoutStream

__all__ = ["FileStream", "StdoutStream"]
