"""StdoutStream on real descriptors and on replaced standard outputs."""

import io
import os
import subprocess
import sys
from pathlib import Path

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
