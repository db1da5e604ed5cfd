"""Output streams: where the output of a child goes."""

from circus_streams.fancy import FancyStdoutStream
from circus_streams.file import FileStream
from circus_streams.journald import JournaldStream
from circus_streams.jsonlines import JsonStream
from circus_streams.queued import QueueStream
from circus_streams.stdout import StdoutStream
from circus_streams.syslog import SyslogStream
from circus_streams.timed import TimedRotatingFileStream
from circus_streams.watched import WatchedFileStream

__all__ = [
    "FancyStdoutStream",
    "FileStream",
    "JournaldStream",
    "JsonStream",
    "QueueStream",
    "StdoutStream",
    "SyslogStream",
    "TimedRotatingFileStream",
    "WatchedFileStream",
]
