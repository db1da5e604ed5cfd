"""StdoutStream on real descriptors and on replaced standard outputs."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circus_streams import StdoutStream


def test_chunks_arrive_as_bytes_at_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    stream = StdoutStream(color="red")
    stream({"data": b"\xff\xe2\x82", "pid": 1, "name": "stdout"})
    stream({"data": b"\xac\n", "pid": 1, "name": "stdout"})
    stream({"data": "text ä\n"})
    assert capfdbinary.readouterr().out == b"\xff\xe2\x82\xac\ntext \xc3\xa4\n"


def test_what_was_printed_before_comes_first(capfd: pytest.CaptureFixture[str]) -> None:
    print("printed")
    StdoutStream()({"data": b"streamed\n"})
    assert capfd.readouterr().out == "printed\nstreamed\n"


def test_a_replaced_text_output_gets_whole_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    stream = StdoutStream()
    euro = "€".encode()
    stream({"data": euro[:2]})
    stream({"data": euro[2:] + b"\n"})
    assert out.getvalue() == "€\n"


@pytest.mark.parametrize("kind", ["none", "closed"])
def test_no_standard_output_is_no_error(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    out.close()
    monkeypatch.setattr(sys, "stdout", None if kind == "none" else out)
    StdoutStream()({"data": b"x\n"})


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys; from circus_streams import StdoutStream\n"
        "s = StdoutStream(); sys.stdin.readline()\n"
        "for _ in range(100): s({'data': b'x' * 10000})\n"
        "sys.stderr.write('survived')\n"
    )
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE, text=True
    ) as child:
        os.close(theirs)
        os.close(ours)
        assert child.communicate("go\n", timeout=30)[1] == "survived"


def test_a_full_pipe_that_does_not_block_loses_nothing() -> None:
    code = "from circus_streams import StdoutStream\nStdoutStream()({'data': b'x' * 1000000})\n"
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs) as child, open(ours, "rb") as reader:
        os.close(theirs)
        assert len(reader.read()) == 1_000_000
        assert child.wait(30) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_reported() -> None:
    code = (
        "from circus_streams import StdoutStream\n"
        "try: StdoutStream()({'data': b'x'})\n"
        "except OSError as error: exit(error.errno)\n"
    )
    with open("/dev/full", "wb") as full:
        assert subprocess.run([sys.executable, "-c", code], stdout=full, check=False).returncode == 28


class TestPrefix:
    @staticmethod
    def _replaced(file: Any) -> type[StdoutStream]:
        class Replaced(StdoutStream):
            out = file

        return Replaced

    def test_lines_are_kept_until_they_are_whole_and_say_whose_they_are(self) -> None:
        out = io.StringIO()
        stream = self._replaced(out)(prefix=True)
        stream({"data": b"one\ntw", "pid": 1, "name": "stdout", "watcher": "web", "wid": 1})
        stream({"data": b"other\n", "pid": 2, "name": "stdout", "watcher": "web", "wid": 2})
        stream({"data": b"o\n\nrest", "pid": 1, "name": "stdout", "watcher": "web", "wid": 1})
        stream.end_of_output(1, "stdout")
        assert out.getvalue() == "web.1 | one\nweb.2 | other\nweb.1 | two\nweb.1 | \nweb.1 | rest\n"

    @pytest.mark.parametrize(("text", "expected"), [("yes", "web.1 | x\n"), ("False", "x\n"), ("", "x\n")])
    def test_it_is_asked_for_by_a_word(self, text: str, expected: str) -> None:
        out = io.StringIO()
        stream = self._replaced(out)(prefix=text)
        stream({"data": b"x\n", "pid": 1, "name": "stdout", "watcher": "web", "wid": 1})
        assert out.getvalue() == expected

    def test_another_word_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"prefix must be yes, .*, got 'maybe'"):
            StdoutStream(prefix="maybe")

    @pytest.mark.parametrize("plain", ["", "NO_COLOR", "dumb"])
    def test_it_is_coloured_on_a_terminal_only(self, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "dumb" if plain == "dumb" else "xterm")
        if plain == "NO_COLOR":
            monkeypatch.setenv("NO_COLOR", "1")
        ours, theirs = pty.openpty()
        with open(theirs, "w") as terminal:
            stream = self._replaced(terminal)(prefix=True)
            for wid in (1, 2):
                stream({"data": b"x\n", "pid": wid, "name": "stdout", "watcher": "web", "wid": wid})
            shown = b""
            while shown.count(b"\n") < 2:
                shown += os.read(ours, 1000)
            first, second, _ = shown.split(b"\r\n")
        os.close(ours)
        if plain:
            assert (first, second) == (b"web.1 | x", b"web.2 | x")
        else:
            found = [re.fullmatch(rb"\x1b\[(\d+)mweb\.[12] \| \x1b\[0mx", line) for line in (first, second)]
            assert None not in found
            assert len({match[1] for match in found if match}) == 2


def test_characters_of_two_processes_do_not_mix(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    stream = StdoutStream()
    euro = "€".encode()
    stream({"data": euro[:2], "pid": 1, "name": "stdout"})
    stream({"data": b"other", "pid": 2, "name": "stdout"})
    stream({"data": euro[2:], "pid": 1, "name": "stdout"})
    stream({"data": euro[:1], "pid": 1, "name": "stdout"})
    stream.end_of_output(1, "stdout")
    assert capfdbinary.readouterr().out == b"other" + euro + euro[:1]


def test_many_streams_do_not_tear_each_others_lines() -> None:
    """A pipe takes 4096 bytes at once, pipe(7); more than that may be mixed with what others write."""
    code = (
        "import threading\n"
        "from circus_streams import StdoutStream\n"
        "def write(stream, wid):\n"
        "    data = b'%d' % wid * 9999 + b'\\n'\n"
        "    for n in range(50): stream({'data': data, 'pid': wid, 'name': 'stdout'})\n"
        "threads = [threading.Thread(target=write, args=(StdoutStream(), wid)) for wid in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert sorted(done.stdout.split()) == [b"%d" % wid * 9999 for wid in range(4) for _ in range(50)]


def test_the_file_name_dev_stdout_works_when_it_is_a_pipe() -> None:
    code = (
        "from circus_streams import FileStream\n"
        "stream = FileStream('/dev/stdout', max_bytes=9)\n"
        "stream({'data': b'x' * 20 + b'\\n'})\n"
        "stream.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"x" * 20 + b"\n"
