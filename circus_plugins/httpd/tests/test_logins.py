"""Tokens, sessions and failed attempts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from circus_httpd.attempts import Attempts
from circus_httpd.sessions import Sessions
from circus_httpd.state import StateFile
from circus_httpd.tokens import StateError, TokenFile, state_folder


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(folder: Path) -> TokenFile:
    tokens = TokenFile(folder)
    assert tokens.make()
    return tokens


def test_tokens_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    tokens = made(tmp_path / "a" / "b")
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert tokens.path.parent.stat().st_mode & 0o777 == 0o700
    found = tokens.read()
    assert len(found["full"]) >= 40
    assert found["full"] != found["read"]
    assert not TokenFile(tokens.path.parent).make()
    assert TokenFile(tokens.path.parent).read() == found
    assert [path.name for path in tokens.path.parent.iterdir()] == ["tokens"]


def test_a_token_is_good_for_its_role_until_there_are_new_ones(tmp_path: Path) -> None:
    tokens = made(tmp_path)
    full, read = tokens.read()["full"], tokens.read()["read"]
    assert (tokens.role_of(full), tokens.role_of(read), tokens.role_of("x"), tokens.role_of("")) == (
        "full",
        "read",
        None,
        None,
    )
    assert tokens.role_of("é\ud800") is None
    TokenFile(tmp_path).renew()
    assert tokens.role_of(full) is None


@pytest.mark.parametrize("text", ["", "full abc\nread def\n", "full " + "a" * 43 + "\n"])
def test_a_file_without_tokens_is_refused(tmp_path: Path, text: str) -> None:
    tokens = made(tmp_path)
    tokens.path.write_text(text)
    with pytest.raises(StateError, match="--new"):
        tokens.read()


def test_tokens_that_others_could_read_are_refused(tmp_path: Path) -> None:
    tokens = made(tmp_path)
    tokens.path.chmod(0o640)
    with pytest.raises(StateError, match="can be read by others"):
        tokens.read()
    tokens.renew()
    assert tokens.path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="can't make the folder"):
        TokenFile(tmp_path / "file" / "folder").make()


def test_the_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder() == tmp_path / ".local/state/circus/httpd"
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert state_folder() == Path("/s/circus/httpd")
    assert state_folder("/elsewhere") == Path("/elsewhere")


def test_a_session_ends_by_logout_time_and_other_tokens(tmp_path: Path) -> None:
    tokens, clock = made(tmp_path), Clock()
    sessions = Sessions(tokens, clock)
    cookies = [sessions.begin(role) for role in ("full", "read", "full")]
    found = [sessions.find(cookie) for cookie in cookies]
    assert [session.role for session in found if session] == ["full", "read", "full"]
    assert sessions.find("guess") is None
    assert found[0] is not None
    sessions.end(found[0])
    assert sessions.find(cookies[0]) is None
    clock.now += 2 * 86400
    assert sessions.find(cookies[1]) is not None
    clock.now += 2 * 86400
    assert sessions.find(cookies[1]) is not None
    assert sessions.find(cookies[2]) is None
    tokens.renew()
    assert sessions.find(cookies[1]) is None
    assert sessions.to_json() == []


def test_no_session_is_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(made(tmp_path), clock)
    cookie = sessions.begin("full")
    for _ in range(30):
        clock.now += 86400
        assert sessions.find(cookie) is not None
    clock.now += 1
    assert sessions.find(cookie) is None


def test_a_page_that_stays_open_uses_its_session(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(made(tmp_path), clock)
    session = sessions.find(sessions.begin("full"))
    assert session is not None
    for _ in range(29):
        clock.now += 86400
        assert sessions.use(session)
    clock.now += 4 * 86400
    assert not sessions.use(session)


def test_sessions_are_bounded_and_the_least_used_makes_room(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(made(tmp_path), clock)
    cookies = []
    for _ in range(100):
        clock.now += 1000
        cookies.append(sessions.begin("full"))
        sessions.find(cookies[0])
    sessions.begin("full")
    assert len(sessions.to_json()) == 100
    assert sessions.find(cookies[0]) is not None
    assert sessions.find(cookies[1]) is None
    for _ in range(200):  # who may only look drives nobody out who may do more
        sessions.begin("read")
    assert sessions.find(cookies[2]) is not None
    assert len(sessions.to_json()) == 200


def test_sessions_survive_a_restart_without_their_cookies_being_kept(tmp_path: Path) -> None:
    tokens, clock = made(tmp_path), Clock()
    sessions = Sessions(tokens, clock)
    cookie = sessions.begin("read")
    session = sessions.find(cookie)
    assert session is not None
    file = StateFile(tmp_path, "8080")
    file.save({"sessions": sessions.to_json()})
    (saved,) = tmp_path.glob("state-*.json")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert cookie not in saved.read_text()
    assert tokens.read()["read"] not in saved.read_text()
    again = Sessions(tokens, clock, StateFile(tmp_path, "8080").load().get("sessions"))
    found = again.find(cookie)
    assert found is not None
    assert again.csrf(found) == sessions.csrf(session)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sessions": 3}', '{"sessions": [{"key": 1}, 2]}'])
def test_a_broken_file_logs_out_and_nothing_worse(tmp_path: Path, text: str) -> None:
    (tmp_path / "state-1.json").write_text(text)
    sessions = Sessions(made(tmp_path), Clock(), StateFile(tmp_path, "1").load().get("sessions"))
    assert json.dumps(sessions.to_json()) == "[]"


def test_many_failures_of_an_address_are_made_to_wait(tmp_path: Path) -> None:
    clock = Clock()
    attempts = Attempts(clock, allowed=3, window=60, most_addresses=2)
    for _ in range(3):
        assert attempts.pause("a") == 0
        attempts.failed("a")
        clock.now += 1
    assert 56 <= attempts.pause("a") <= 58
    assert attempts.pause("b") == 0
    clock.now += 58
    assert attempts.pause("a") == 0
    for address in "abcd":
        attempts.failed(address)
    assert attempts.pause("b") == 0
