"""graph-garden runs an ArangoDB server in the background of a program.

That is `get_arbiter([...], background=True)`, `start`, `stop`, and `is_alive` until the thread has ended. The
database here is a stub that answers when asked for its version.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.embedders.programs.waiting import children, until

STARTER = """\
#!/bin/sh
cd "$(dirname "$0")" && exec arangod arangod.py {port} "$@"
"""
SERVER = """\
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Version(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"server": "arango", "version": "3.7.2", "license": "community"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HTTPServer(("127.0.0.1", int(sys.argv[1])), Version).serve_forever()
"""


def main() -> None:
    from graph_garden import arangodb  # type: ignore[import-not-found]

    port = arangodb.DEFAULT_PORT  # part of it knows no other one
    programs = Path("bin").resolve()
    programs.mkdir()
    (programs / "arangodb").write_text(STARTER.format(port=port))
    (programs / "arangodb").chmod(0o755)
    (programs / "arangod.py").write_text(SERVER)
    (programs / "arangod").symlink_to(os.path.realpath(sys.executable))
    uri = f"http://127.0.0.1:{port}"
    with arangodb.instance(uri, arangodb_exe_path=programs / "arangodb", data_path=Path("data").resolve()):
        assert arangodb.is_running(uri)
        (first,) = children("arangod.py")
        os.kill(first, 9)
        until(lambda: children("arangod.py") - {first}, "a new server after a crash")
        until(lambda: arangodb.is_running(uri), "its answer")
    assert not children("arangod.py")
    assert not arangodb.is_running(uri)


if __name__ == "__main__":
    main()
