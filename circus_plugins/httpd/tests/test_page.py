"""docs/httpd.md: its commands run, its proxy works, and its tables are those of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from circus_core.testing import until
from circus_httpd.command_line import _parser
from circus_httpd.plugin import register_options

from .conftest import start
from .dashboards import Visitor, by_hand, tokens_in

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[3] / "docs" / "httpd.md").read_text(encoding="utf-8")
SECTIONS = """
[watcher:web]
cmd = sh -c 'trap "" HUP; echo an error; while :; do sleep 0.1; done'
numprocesses = 2
graceful_timeout = 0
stdout_stream.class = StdoutStream
"""


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[number]  # type: ignore[no-any-return]


def test_every_option_is_in_the_table() -> None:
    words = set(re.findall(r"`(--[a-z-]+)`", PAGE))
    known = {word for action in _parser()._actions for word in action.option_strings if word.startswith("--")}
    assert known - words <= {"--help", "--version", "--ssh_keyfile", "--ssh-keyfile"}
    for option in register_options():
        assert f"`{option.name}`" in PAGE


@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
def test_the_commands_of_the_page_do_what_they_say(tmp_path: Path) -> None:
    with ExitStack() as stack:
        dashboard = start(tmp_path / "d", stack, SECTIONS, with_figures=True)
        daemon = dashboard.daemon
        daemon.watcher("web").until("active")
        logs = "/api/daemons/main/logs?watcher=web"
        until(lambda: len(dashboard.read.get(logs).json["lines"]) >= 2)
        script = block("sh").replace("http://localhost:8080/", dashboard.url)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-euxc", script],
            env={**os.environ, "PATH": path, "XDG_STATE_HOME": str(tmp_path / "d")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"an error"' in done.stdout
        assert daemon.call("get", name="web", keys=["numprocesses", "graceful_timeout"])["options"] == {
            "numprocesses": 4,
            "graceful_timeout": 10,
        }
        assert "job" not in daemon.call("list")["watchers"]


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_it_works_behind_nginx_as_the_page_says(tmp_path: Path) -> None:
    words = [
        "--prefix",
        "/circus",
        "--allow-host",
        "dash.example.org",
        "--endpoint",
        f"ipc://{tmp_path}/nobody",
    ]
    words += ["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1"]
    with by_hand(tmp_path / "h", *words) as (url, state, _):
        port = int(url.split(":")[2].split("/")[0])
        socket = tmp_path / "nginx.sock"
        server = block("nginx").replace("localhost:8080", f"localhost:{port}")
        # Behind the proxy of the test nobody needs a certificate.
        server = server.replace("listen 443 ssl", f"listen unix:{socket}").replace("$scheme", "https")
        places = "".join(
            f"{name}_temp_path {tmp_path}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = tmp_path / "nginx.conf"
        config.write_text(
            f"daemon off;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{places}\n{server}\n}}\n"
        )
        command = ["nginx", "-e", "stderr", "-c", str(config), "-p", str(tmp_path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as nginx:
            try:
                until(socket.exists, lambda: f"nginx: {nginx.poll()}")
                _talk_through(socket, tokens_in(state)["full"])
            finally:
                nginx.terminate()


def _talk_through(socket: Path, token: str) -> None:
    visitor = Visitor("http://dash.example.org/circus/", through=socket)
    own = {"Origin": "https://dash.example.org"}
    answer = visitor.send("POST", "/api/session", {"token": token}, own)
    assert answer.status == 200, answer
    assert "secure" in answer.cookies[0].lower()
    assert "path=/circus/" in answer.cookies[0].lower()
    cookie = {"Cookie": answer.cookies[0].split(";")[0]}
    upgrade = {
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert visitor.get("/api/live", **upgrade, **cookie, **own).status == 101
    assert visitor.get("/api/live", **upgrade, **cookie, Origin="https://evil.example").status == 403
    assert visitor.get("/", **cookie).status == 200
    assert visitor.get("/api/daemons/main/watchers/a%2Fb", **cookie).status == 503  # no daemon is there
