"""BentoML serves models, with `bentoml serve` and in a thread of another program.

It builds Watcher and CircusSocket objects by hand and subclasses Arbiter twice, once for the thread. A
subclass of CircusPlugin starts its workers anew when a file of the service changes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.embedders.programs.waiting import children, free_ports, until

SERVICE = """\
import bentoml


@bentoml.service(workers=2)
class Shout:
    @bentoml.api
    def shout(self, text: str) -> str:
        return text.upper()
"""
WORKER = "_bentoml_impl.worker.service"
PLUGIN = "ServiceReloaderPlugin"


def main() -> None:
    folder = Path("service")  # the plugin looks at all that changes in there
    folder.mkdir()
    (folder / "service.py").write_text(SERVICE)
    os.environ |= {"BENTOML_HOME": str(Path("home").resolve()), "BENTOML_DO_NOT_TRACK": "True"}
    command, thread = free_ports(2)
    serve_by_command(folder, command)
    serve_in_thread(folder, thread)


def serve_by_command(folder: Path, port: int) -> None:
    """`bentoml serve --reload` answers, notices a change, and ends at Ctrl-C with all it started."""
    program = Path(sys.executable).with_name("bentoml")
    words = [str(program), "serve", "service:Shout", "--port", str(port), "--reload"]
    with subprocess.Popen(words, cwd=folder) as server:
        try:
            assert until(lambda: ask(port), "an answer") == "HI"
            first = until(lambda: two(children(WORKER, server.pid)), "two workers")
            assert len(children(PLUGIN, server.pid)) == 1
            (folder / "service.py").write_text(SERVICE.replace("upper", "title"))
            until(lambda: ask(port) == "Hi", "the answer of the changed service")
            until(lambda: two(children(WORKER, server.pid) - first), "two new workers")
            family = children("", server.pid)
            server.send_signal(signal.SIGINT)
            server.wait(40)
            assert not family & children("", 1), "something outlived the server"
        finally:
            server.kill()


def serve_in_thread(folder: Path, port: int) -> None:
    """The same in a thread of this program; `stop` waits for the end."""
    from _bentoml_impl.loader import load  # type: ignore[import-not-found]

    service = load("service:Shout", str(folder.resolve()))
    with service.serve_http(working_dir=None, port=port, threaded=True) as server:
        assert until(lambda: ask(port), "an answer") == "Hi"
        assert server.running
        until(lambda: two(children(WORKER)), "two workers")
    assert not children(WORKER)
    assert not server.running


def two(pids: set[int]) -> set[int] | None:
    return pids if len(pids) == 2 else None


def ask(port: int) -> str | None:
    body = Request(f"http://127.0.0.1:{port}/shout", b'{"text": "hi"}', {"Content-Type": "application/json"})
    try:
        with urlopen(body, timeout=5) as answer:
            said = answer.read()
            assert isinstance(said, bytes)
            return said.decode()
    except (URLError, ConnectionError, TimeoutError):
        return None


if __name__ == "__main__":
    main()
