"""Streams as they are found in the field."""

# mypy: ignore-errors
# ruff: noqa: F401, SIM115, UP008, UP031  as they were written

import os

from circus.stream import FileStream, StdoutStream
from circus.util import to_str


class Upper:
    """A plain callable."""

    def __init__(self, **kwargs):
        self.filename = kwargs["filename"]
        self.file = None

    def open(self):
        self.file = open(self.filename, "a")

    def __call__(self, data):
        for line in to_str(data["data"]).splitlines():
            self.file.write("%s %s\n" % (data["name"], line.upper()))
        self.file.flush()

    def close(self):
        self.file.close()


def make_upper(filename, **kwargs):
    """A factory."""
    return Upper(filename=filename + ".factory")


class Marked(FileStream):
    """A file stream with another __call__."""

    def __init__(self, mark=None, **kwargs):
        super(Marked, self).__init__(**kwargs)
        self.mark = mark

    def __call__(self, data):
        data = dict(data, data=data["data"].replace(b"secret", self.mark.encode()))
        super(Marked, self).__call__(data)
