"""A circusd with its dashboard, and one who asks it over HTTP."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from circus_core.testing import Daemon, until

__all__ = ["Answer", "Dashboard", "Visitor", "by_hand", "tokens_in"]


def tokens_in(folder: Path) -> dict[str, str]:
    """Return the tokens by role."""
    return dict(line.split() for line in (folder / "tokens").read_text().splitlines())


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Visitor:
    """Asks one server, with a token or with the cookie of a login. Anything can be sent in its headers."""

    def __init__(self, url: str, token: str | None = None, *, through: Path | None = None) -> None:
        """`through`: the socket file of a proxy to connect to instead."""
        self.url = url
        self._through = through
        self._place = urlsplit(url)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """Send a request; a header that is None is left out."""
        assert self._place.hostname
        connection = HTTPConnection(self._place.hostname, self._place.port, timeout=30)
        if self._through is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self._through))
        sent: dict[str, str | None] = {"Host": self._place.netloc, **self._headers}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        sent |= headers or {}
        try:
            connection.putrequest(method, self._place.path.rstrip("/") + path, skip_host=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(data)
            return _answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: object = None) -> Answer:
        return self.send("POST", path, {} if body is None else body)

    def log_in(self, token: str) -> str:
        """Log in as a browser does; returns the CSRF token."""
        answer = self.post("/api/session", {"token": token})
        assert answer.status == 200, answer
        self._headers = {"Cookie": answer.cookies[0].split(";")[0]}
        return str(answer.json["csrf"])

    @property
    def headers(self) -> dict[str, str]:
        """What shows who this is."""
        return dict(self._headers)

    def watcher(self, name: str, daemon: str = "main") -> Answer:
        return self.get(f"/api/daemons/{daemon}/watchers/{quote(name, safe='')}")


def _answer(response: HTTPResponse) -> Answer:
    cookies = response.headers.get_all("Set-Cookie") or []
    return Answer(response.status, dict(response.getheaders()), response.read(), cookies)


class Dashboard:
    """`httpd = True` of a daemon: the daemon, and who may do everything or only look."""

    def __init__(self, daemon: Daemon, state: Path) -> None:
        self.daemon = daemon
        self.state = state
        until(lambda: "the dashboard is at" in daemon.log(), daemon.log, deadline=60)
        self.url = _url_in(daemon.log())
        self.full = Visitor(self.url, tokens_in(state)["full"])
        self.read = Visitor(self.url, tokens_in(state)["read"])
        self.nobody = Visitor(self.url)
        until(lambda: self.read.get("/api/daemons/main").status == 200, daemon.log)  # it has found the daemon


def _url_in(log: str) -> str:
    return re.findall(r"the dashboard is at (\S+)", log)[-1]  # type: ignore[no-any-return]


@contextmanager
def by_hand(folder: Path, *words: str) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    """Run circushttpd at a free port; gives its URL, the folder of its tokens, and its process."""
    folder.mkdir(exist_ok=True)
    log = folder / "circushttpd.log"
    command = [sys.executable, "-W", "error", "-m", "circus_httpd", "--port", "0", "--state-dir", str(folder)]
    log.touch(mode=0o600)
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        until(lambda: "the dashboard is at" in log.read_text() or process.poll() is not None, log.read_text)
        yield _url_in(log.read_text()), folder, process
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()
