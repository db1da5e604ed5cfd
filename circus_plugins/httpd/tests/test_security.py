"""Attacks: nobody gets in, no other site's page does anything, nothing that is shown is more than text."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from circus_core.testing import free_port, until

from .dashboards import Answer, Dashboard, Visitor, by_hand, tokens_in

pytestmark = pytest.mark.slow

D = "/api/daemons/main"
MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem "
    "-out cert.pem -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
)
START = f"{D}/watchers/idle/start"


@pytest.fixture
def browser(dashboard: Dashboard) -> tuple[Visitor, str]:
    """Somebody who has logged in with a browser, and the CSRF token of the page."""
    visitor = Visitor(dashboard.url)
    return visitor, visitor.log_in(tokens_in(dashboard.state)["full"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/daemons"),
        ("GET", "/api/session"),
        ("GET", "/api/options"),
        ("GET", f"{D}/watchers"),
        ("GET", f"{D}/watchers/web/environment"),
        ("GET", f"{D}/logs.txt"),
        ("POST", START),
        ("POST", "/api/daemons"),
        ("DELETE", f"{D}/watchers/web"),
        ("DELETE", "/api/session"),
        ("PATCH", f"{D}/watchers/web/options"),
    ],
)
def test_nobody_gets_in_without_a_token(dashboard: Dashboard, method: str, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "x=y"},
    ):
        answer = dashboard.nobody.send(method, path, headers=headers)
        assert answer.status in (401, 429), answer
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_is_not_secret_is_there_for_all(dashboard: Dashboard) -> None:
    assert dashboard.nobody.get("/api/health").json == {"status": "ok"}
    assert dashboard.nobody.get("/api/openapi.json").json["openapi"] == "3.1.0"
    assert dashboard.nobody.get("/").status == 200


def test_who_may_only_look_changes_nothing(dashboard: Dashboard) -> None:
    paths = [
        f"{D}/watchers/web/{action}" for action in ("start", "stop", "restart", "reload", "incr", "decr")
    ]
    paths += [f"{D}/watchers/web/kill", f"{D}/reloadconfig", f"{D}/watchers", "/api/daemons", "/api/discover"]
    before = dashboard.daemon.watcher("web").pids()
    for path in paths:
        answer = dashboard.read.post(path)
        assert answer.status == 403, (path, answer)
        assert "role" in answer.json["detail"]
    assert dashboard.read.send("DELETE", f"{D}/watchers/web").status == 403
    assert dashboard.daemon.watcher("web").pids() == before


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(dashboard: Dashboard) -> None:
    answer = dashboard.nobody.post("/api/session", {"token": tokens_in(dashboard.state)["read"]})
    assert answer.json["role"] == "read"
    (cookie,) = answer.cookies
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert "secure" not in parts  # it is not https


def test_a_page_needs_its_csrf_token(dashboard: Dashboard, browser: tuple[Visitor, str]) -> None:
    visitor, csrf = browser
    assert visitor.get("/api/session").json["csrf"] == csrf
    for headers in (
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "guess"},
        {"X-CSRF-Token": "é".encode().decode("latin1")},
    ):
        assert visitor.send("POST", START, {}, headers).status == 403
    assert dashboard.daemon.watcher("idle").status() == "stopped"
    own = {"X-CSRF-Token": csrf, "Origin": dashboard.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert visitor.send("POST", START, {"waiting": True}, own).status == 200
    assert visitor.send("POST", START.replace("start", "stop"), {"waiting": True}, own).status == 200
    assert dashboard.full.get("/api/session").json["csrf"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing_whatever_it_knows(
    dashboard: Dashboard, browser: tuple[Visitor, str], headers: dict[str, str]
) -> None:
    visitor, csrf = browser
    assert visitor.send("POST", START, {}, {"X-CSRF-Token": csrf, **headers}).status == 403
    token = {"token": tokens_in(dashboard.state)["full"]}
    assert dashboard.nobody.send("POST", "/api/session", token, headers).status == 403
    assert dashboard.daemon.watcher("idle").status() == "stopped"


def test_a_form_of_another_site_is_no_request(dashboard: Dashboard, browser: tuple[Visitor, str]) -> None:
    visitor, csrf = browser
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        headers = {"Content-Type": kind, "X-CSRF-Token": csrf}
        assert visitor.send("POST", START, b'{"waiting": true}', headers).status in (400, 415)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "", None])
@pytest.mark.parametrize("path", ["/", "/api/health", "/api/daemons", "/static/x", "/api/live"])
def test_a_foreign_name_of_the_server_is_refused(dashboard: Dashboard, host: str | None, path: str) -> None:
    answer = dashboard.full.send("GET", path, headers={"Host": host})
    assert answer.status in (421, 400), answer
    if answer.status == 421:
        assert "httpd_allow_hosts" in answer.json["detail"]


def test_every_answer_has_the_headers_of_security(dashboard: Dashboard) -> None:
    for path in ("/", "/api/daemons", "/nothing", "/static/nothing", "/api/nothing"):
        for visitor in (dashboard.nobody, dashboard.full):
            headers = visitor.get(path).headers
            policy = dict(
                rule.strip().partition(" ")[::2] for rule in headers["Content-Security-Policy"].split(";")
            )
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == "'self'"
            assert policy["style-src"] == "'self'"
            assert policy["frame-ancestors"] == "'none'"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] in ("no-store", "no-cache")
            assert "Access-Control-Allow-Origin" not in headers
            assert "TornadoServer" not in headers.get("Server", "")


def test_nothing_outside_the_static_folder_is_served(dashboard: Dashboard) -> None:
    for path in ("../web.py", "..%2fweb.py", "%2e%2e/web.py", "/etc/passwd", "%00"):
        answer = dashboard.nobody.get(f"/static/{path}")
        assert answer.status in (400, 403, 404), answer
        assert b"root:" not in answer.body


def test_big_and_odd_requests_are_refused(dashboard: Dashboard) -> None:
    answer = dashboard.full.send("POST", START, b"[" * 1000 + b"]" * 1000)
    assert answer.status in (400, 422)
    with socket.create_connection(place_of(dashboard), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
        with suppress(ConnectionResetError):
            assert connection.recv(100).startswith(b"HTTP/1.1 4") or connection.recv(1) == b""
    assert dashboard.nobody.get("/api/health").status == 200


def place_of(dashboard: Dashboard) -> tuple[str, int]:
    return "127.0.0.1", int(dashboard.url.rpartition(":")[2].rstrip("/"))


CHUNK = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"


@pytest.mark.parametrize(
    ("about", "body"),
    [
        (b"Content-Length: 2097152", b" " * (1 << 21)),
        (b"Content-Length: 20000000000\r\nExpect: 100-continue", b""),
        (b"Transfer-Encoding: chunked", CHUNK + CHUNK + b"0\r\n\r\n"),
    ],
    ids=["told", "asked-before", "chunked"],
)
def test_a_body_that_is_too_long_is_refused_in_the_words_of_the_api(
    dashboard: Dashboard, about: bytes, body: bytes
) -> None:
    with socket.create_connection(place_of(dashboard), timeout=20) as connection:
        connection.sendall(b"POST /api/session HTTP/1.1\r\nHost: localhost\r\n" + about + b"\r\n\r\n" + body)
        answer = HTTPResponse(connection)
        answer.begin()
        told = json.loads(answer.read())
    assert (answer.status, told["status"], told["detail"]) == (
        413,
        413,
        "the body is longer than 1048576 bytes",
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_hostile_names_are_no_markup(dashboard: Dashboard) -> None:
    evil = "<script>alert(1)</script>"
    answers = [
        dashboard.full.get(f"{D}/watchers/{evil.replace('/', '%2F')}"),
        dashboard.full.get(f"{D}/logs?watcher={evil.replace('/', '%2F')}"),
        dashboard.full.get(f"/api/{evil}"),
        dashboard.full.send("GET", "/", headers={"Host": f"{evil}"}),
    ]
    for answer in answers:
        assert 400 <= answer.status < 500
        assert answer.headers.get("Content-Type", "application/").startswith("application/")
    assert b"<script>alert" not in dashboard.nobody.get("/<script>alert(1)</script>").body


def test_logging_out_ends_a_session_for_good(dashboard: Dashboard, browser: tuple[Visitor, str]) -> None:
    visitor, csrf = browser
    answer = visitor.send("DELETE", "/api/session", headers={"X-CSRF-Token": csrf})
    assert answer.status == 204
    assert "expires" in answer.cookies[0].lower()
    assert visitor.get("/api/session").status == 401
    saved = "".join(path.read_text() for path in dashboard.state.glob("state-*.json"))
    assert all(part not in saved for part in visitor.headers["Cookie"].split("="))


def test_who_guesses_tokens_is_made_to_wait_and_locks_nobody_out(tmp_path: Path) -> None:
    with by_hand(tmp_path / "h", "--endpoint", f"ipc://{tmp_path}/nobody") as (url, state, _):
        visitor = Visitor(url)
        statuses = [visitor.post("/api/session", {"token": "guess"}).status for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        waiting = visitor.post("/api/session", {"token": "guess"})
        assert 0 < int(waiting.headers["Retry-After"]) <= 61
        assert visitor.post("/api/session", {"token": tokens_in(state)["full"]}).status == 200


# -- websockets ------------------------------------------------------------------------------------------


def open_socket(url: str, headers: dict[str, str]) -> int:
    """Try to open the websocket; returns 101 if it opens, else the status."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    return Visitor(url).get("/api/live", **upgrade, **key, **headers).status


def test_a_websocket_is_for_our_own_page_alone(dashboard: Dashboard, browser: tuple[Visitor, str]) -> None:
    cookie = browser[0].headers
    own = dashboard.url.rstrip("/")
    assert open_socket(dashboard.url, {**cookie, "Origin": own}) == 101
    assert open_socket(dashboard.url, cookie) == 403
    for origin in ("http://evil.example", "null", own.replace("http", "https"), f"{own}0"):
        assert open_socket(dashboard.url, {**cookie, "Origin": origin}) == 403
    assert open_socket(dashboard.url, {"Origin": own}) == 401
    assert open_socket(dashboard.url, {"Origin": own, "Cookie": "circushttpd=x"}) == 401
    assert open_socket(dashboard.url, dashboard.read.headers) == 101
    assert open_socket(dashboard.url, {**dashboard.read.headers, "Origin": "http://evil.example"}) == 403


# -- tokens and TLS --------------------------------------------------------------------------------------


def circushttpd(*words: str) -> str:
    command = [sys.executable, "-m", "circus_httpd", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_a_log_that_others_can_read_gets_no_token(dashboard: Dashboard) -> None:
    assert dashboard.daemon.log_path.stat().st_mode & 0o044
    log = dashboard.daemon.log
    until(lambda: "'circushttpd token' prints the address to log in with" in log(), log)
    assert all(token not in log() for token in tokens_in(dashboard.state).values())


def test_a_pipe_gets_no_token_since_nobody_knows_who_reads_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "circus_httpd", "--port", "0", "--state-dir", str(tmp_path / "s")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        process.terminate()
        lines += process.stderr
    assert "'circushttpd token' prints the address" in lines[1]
    assert all(token not in line for token in tokens_in(tmp_path / "s").values() for line in lines)


def test_a_folder_that_others_can_write_into_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    words = [sys.executable, "-m", "circus_httpd", "token", "--state-dir", str(tmp_path)]
    told = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 1
    assert "others can write into the folder" in told.stderr
    assert not list(tmp_path.iterdir())


def test_new_tokens_end_sessions_and_websockets(tmp_path: Path) -> None:
    with by_hand(tmp_path / "h", "--endpoint", f"ipc://{tmp_path}/nobody") as (url, state, _):
        log = state / "circushttpd.log"
        token = tokens_in(state)["full"]
        until(lambda: f"{url}#token={token}" in log.read_text(), log.read_text)
        assert circushttpd("token", "--bare", "--state-dir", str(state)) == token
        browser, script = Visitor(url), Visitor(url, token)
        browser.log_in(token)

        async def until_closed() -> int | None:
            request = HTTPRequest(
                f"{url.replace('http', 'ws')}api/live", headers={**browser.headers, "Origin": url.rstrip("/")}
            )
            connection = await websocket_connect(request)
            await asyncio.to_thread(circushttpd, "token", "--new", "--state-dir", str(state))
            while await connection.read_message() is not None:
                pass
            code = connection.close_code
            connection.close()
            connection.stream.close()
            return code

        assert asyncio.run(asyncio.wait_for(until_closed(), 60)) == 4401
        assert browser.get("/api/session").status == 401
        assert script.get("/api/session").status == 401
        fresh = circushttpd("token", "--state-dir", str(state))
        assert fresh == f"{url}#token={tokens_in(state)['full']}"
        other = circushttpd("token", "--state-dir", str(state), "--url", "https://dash.example.org")
        assert other.startswith("https://dash.example.org/#token=")
        reader = circushttpd("token", "--read-only", "--bare", "--state-dir", str(state))
        assert Visitor(url, reader).get("/api/session").json["role"] == "read"
        os.chmod(state / "tokens", 0o644)
        assert Visitor(url, reader).get("/api/session").status == 503


def test_tls_is_spoken_with_a_certificate(tmp_path: Path) -> None:
    subprocess.run(
        shlex.split(MAKE_CERTIFICATE),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    words = ("--certificate", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"))
    with by_hand(tmp_path / "h", "--endpoint", f"ipc://{tmp_path}/nobody", *words) as (url, state, _):
        assert url.startswith("https://localhost:")
        answer = _post_securely(url, tmp_path / "cert.pem", tokens_in(state)["full"])
        assert answer.status == 200
        assert "secure" in answer.cookies[0].lower()


def test_a_renewed_certificate_is_used_for_new_connections_at_once(tmp_path: Path) -> None:
    old, new, used = (tmp_path / name for name in ("old", "new", "used"))
    for folder in (old, new):
        folder.mkdir()
        subprocess.run(shlex.split(MAKE_CERTIFICATE), cwd=folder, check=True, capture_output=True)
    used.mkdir()
    renew(old, used, "cert.pem", "key.pem")
    words = ("--certificate", str(used / "cert.pem"), "--key", str(used / "key.pem"))
    with by_hand(tmp_path / "h", "--endpoint", f"ipc://{tmp_path}/nobody", *words) as (url, state, _):
        token = tokens_in(state)["full"]
        assert _post_securely(url, old / "cert.pem", token).status == 200
        renew(new, used, "cert.pem")
        assert _post_securely(url, old / "cert.pem", token).status == 200  # its key is not there yet
        assert "the key is that of another certificate" in (tmp_path / "h" / "circushttpd.log").read_text()
        renew(new, used, "key.pem")
        assert _post_securely(url, new / "cert.pem", token).status == 200


def renew(source: Path, target: Path, *names: str) -> None:
    """Put files in the place of others as a renewal does, at once."""
    for name in names:
        shutil.copy(source / name, target / "fresh")
        (target / "fresh").replace(target / name)


def test_a_key_that_needs_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    certificate = MAKE_CERTIFICATE.replace("-nodes", "-passout pass:geheim")
    subprocess.run(shlex.split(certificate), cwd=tmp_path, check=True, capture_output=True)
    words = ("--certificate", "cert.pem", "--key", "key.pem", "--port", "0", "--state-dir", "s")
    command = [sys.executable, "-m", "circus_httpd", *words]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 1
    assert "the key in 'key.pem' is encrypted" in told.stderr


def _post_securely(url: str, certificate: Path, token: str) -> Answer:
    place = urlsplit(url)
    context = ssl.create_default_context(cafile=str(certificate))
    connection = HTTPSConnection(place.hostname or "", place.port, context=context, timeout=20)
    connection.request(
        "POST",
        "/api/session",
        json.dumps({"token": token}),
        {"Content-Type": "application/json", "Origin": url[:-1]},
    )
    response = connection.getresponse()
    answer = Answer(response.status, {}, response.read(), response.headers.get_all("Set-Cookie") or [])
    connection.close()
    return answer


def test_it_can_live_behind_a_proxy_under_a_prefix(tmp_path: Path) -> None:
    words = (
        "--endpoint",
        f"ipc://{tmp_path}/nobody",
        "--prefix",
        "/circus/",
        "--allow-host",
        "dash.example.org",
    )
    with by_hand(tmp_path / "h", *words, "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1") as (
        url,
        state,
        _,
    ):
        assert url.endswith("/circus/")
        proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "dash.example.org", "Host": "127.0.0.1"}
        visitor = Visitor(url)
        token = {"token": tokens_in(state)["full"]}
        own = {**proxied, "Origin": "https://dash.example.org"}
        answer = visitor.send("POST", "/api/session", token, own)
        assert answer.status == 200, answer
        assert "path=/circus/" in answer.cookies[0].lower()
        assert "secure" in answer.cookies[0].lower()
        assert (
            visitor.send("POST", "/api/session", token, {**own, "Origin": "https://evil.example"}).status
            == 403
        )
        outside = Visitor(url.removesuffix("circus/"))
        assert outside.get("/api/health").status == 404
        assert outside.get("/circus").headers["Location"] == "/circus/"


def test_a_restart_logs_nobody_out(tmp_path: Path) -> None:
    state = tmp_path / "h"
    words = ("--endpoint", f"ipc://{tmp_path}/nobody", "--port", str(free_port()))
    with by_hand(state, *words) as (url, _, _):
        browser = Visitor(url)
        csrf = browser.log_in(tokens_in(state)["full"])
    with by_hand(state, *words):
        assert browser.get("/api/session").json["csrf"] == csrf
