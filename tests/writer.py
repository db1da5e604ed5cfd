"""A fast program that writes numbered lines of 100 bytes, and what its output must be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

__all__ = ["LINE", "check", "expected", "stripped_by", "writer"]

LINE = 100
_PAD = b"x" * (LINE - 14)
_BLOCK = 4 << 20
_SOURCE = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* writer LINES BUFFER RATE: so many lines, in writes of about BUFFER bytes, RATE lines per second (0: any) */
int main(int count, char **words) {
    long lines = atol(words[1]), rate = atol(words[3]);
    size_t size = atol(words[2]), used = 0;
    char *buffer = malloc(size + 100);
    for (long number = 0; number < lines; number++) {
        char *line = buffer + used;
        long rest = number;
        memset(line, 'x', 99);
        for (int digit = 11; digit >= 0; digit--, rest /= 10) line[digit] = '0' + rest % 10;
        line[12] = ' ';
        line[99] = '\n';
        used += 100;
        if (used >= size || number == lines - 1)
            for (char *at = buffer; used;) {
                ssize_t written = write(1, at, used);
                if (written < 0) return 1;
                at += written;
                used -= written;
            }
        if (rate) usleep(1000000 / rate);
    }
    return 0;
}
"""
_FALLBACK = """
import os, sys, time
lines, size, rate = map(int, sys.argv[1:])
step = max(1, size // 100)
for start in range(0, lines, step):
    data = b"".join(b"%012d " % n + b"x" * 86 + b"\\n" for n in range(start, min(start + step, lines)))
    while data:
        data = data[os.write(1, data):]
    if rate:
        time.sleep(step / rate)
"""


def writer(folder: Path) -> str:
    """Make the program in a folder, in C if there is a compiler; returns its command without arguments."""
    compiler = shutil.which("cc")
    if compiler is None:
        (folder / "writer.py").write_text(_FALLBACK)
        return f"{sys.executable} {folder}/writer.py"
    (folder / "writer.c").write_text(_SOURCE)
    subprocess.run([compiler, "-O2", "-o", folder / "writer", folder / "writer.c"], check=True)
    return str(folder / "writer")


def expected(first: int, last: int) -> bytes:
    """Return the lines from `first` to before `last`."""
    return b"".join(b"%012d %b\n" % (number, _PAD) for number in range(first, last))


def stripped_by(pattern: bytes) -> Callable[[bytes], bytes]:
    """Return what finds the lines of the program in others, each matched by `pattern`: as its only group."""
    compiled = re.compile(pattern + rb"\n")

    def strip(data: bytes) -> bytes:
        found = compiled.findall(data)
        assert sum(map(len, compiled.split(data)[::2])) == 0, "there is something else between lines"
        return b"".join(line + b"\n" for line in found)

    return strip


def check(paths: Iterable[Path], strip: Callable[[bytes], bytes] = bytes, first: int = 0) -> int:
    """Compare files with the lines of the program, in order; returns the number behind the last line."""
    number = first
    for lines in map(strip, _whole_lines(paths)):
        assert len(lines) % LINE == 0, f"something is torn behind line {number}"
        following = number + len(lines) // LINE
        if lines != expected(number, following):
            raise AssertionError(_difference(lines, number))
        number = following
    return number


def _whole_lines(paths: Iterable[Path]) -> Iterator[bytes]:
    rest = b""
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                head, end, tail = block.rpartition(b"\n")
                if head or end:
                    yield rest + head + end
                    rest = b""
                rest += tail
    assert not rest, f"an unfinished line at the end: {rest[:200]!r}"


def _difference(lines: bytes, number: int) -> str:
    for at in range(0, len(lines), LINE):
        wanted = expected(number + at // LINE, number + at // LINE + 1)
        if lines[at : at + LINE] != wanted:
            return f"line {number + at // LINE} is {lines[at : at + LINE]!r}"
    return "no difference"
