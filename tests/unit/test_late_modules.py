"""Modules that are loaded at their first use; each test in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_BEGINNING = "import sys\nfrom circus_core.cli.late_modules import load_late\n"


def _run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _BEGINNING + code],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{Path.cwd()}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_asyncio_can_be_imported_without_openssl_and_finds_it_when_it_needs_it(tmp_path: Path) -> None:
    code = """
load_late("asyncio.sslproto", "ssl")
import asyncio, ssl
print("_ssl" in sys.modules, isinstance(ssl.create_default_context(), ssl.SSLContext), type(ssl).__name__)
async def connect():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    try:
        await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=True, ssl_handshake_timeout=0.01)
    except (ConnectionError, TimeoutError) as error:
        print("tried")
    server.close()
asyncio.run(connect())
"""
    assert _run(code, tmp_path) == "False True module\ntried\n"


def test_a_module_that_is_used_by_many_threads_at_once_is_whole_for_each(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nfirst = 1\ntime.sleep(0.1)\nlast = 2\n")
    code = """
load_late("slow")
import slow, threading
found = []
threads = [threading.Thread(target=lambda: found.append(slow.last)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(found, slow.__spec__.loader is slow.__loader__)
"""
    assert _run(code, tmp_path) == "[2, 2, 2, 2, 2, 2, 2, 2] True\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise ImportError('broken')", "ImportError broken"),
        ("import late\nlate.after\nafter = 1", "AttributeError module 'late' has no attribute 'after' yet"),
    ],
)
def test_what_fails_while_it_is_loaded_fails_again_at_the_next_use(
    content: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "late.py").write_text(content)
    code = """
load_late("late")
import late
for _ in range(2):
    try:
        late.after
    except Exception as error:
        print(type(error).__name__, error)
"""
    assert _run(code, tmp_path) == f"{said}\n{said}\n"
