"""Keys are found by one rule, kept from others, and changed at once or not at all."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
from zmq.utils import z85

from circus_core.access.keyring import Admission, AdmittedKeys, Keyring, parse_key
from circus_core.access.keys import key_folder, secure, server_key
from circus_core.errors import KeysError

A, B, C = ("a1" * 32), ("b2" * 32), ("c3" * 32)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(str(tmp_path / "config" / "keys"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# The folder


def test_the_folder_is_the_first_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("CIRCUS_KEYS", raising=False)
    assert key_folder() == "/home/me/.config/circus/keys"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert key_folder() == "/home/me/.config/circus/keys"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/cfg")
    assert key_folder() == "/cfg/circus/keys"
    monkeypatch.setenv("CIRCUS_KEYS", "~/k")
    assert key_folder() == "/home/me/k"
    assert key_folder("/etc/circus/keys") == "/etc/circus/keys"


def test_what_is_made_is_for_its_owner_only_whatever_the_umask(ring: Keyring) -> None:
    before = os.umask(0)
    try:
        assert ring.make("me") == ["server.key", "client.key"]
    finally:
        os.umask(before)
    assert mode(ring.folder) == 0o700
    assert {mode(path) for path in ring.folder.iterdir()} == {0o600}


def test_making_again_changes_nothing(ring: Keyring) -> None:
    ring.make("me")
    before = (ring.server(), ring.client(), ring.admitted())
    assert ring.make("me") == []
    assert (ring.server(), ring.client(), ring.admitted()) == before


def test_a_revoked_owner_is_not_admitted_by_making_again(ring: Keyring) -> None:
    ring.make("me")
    ring.revoke("me")
    ring.make("me")
    assert ring.admitted() == []


def test_a_folder_that_stays_locked_is_told_of_and_not_waited_for(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.make("me")
    monkeypatch.setattr("circus_core.access.keyring._PATIENCE", 0.05)
    with open(ring.folder / ".lock", "wb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        with pytest.raises(KeysError, match=r"another program has locked .* for more than 0\.05 s"):
            ring.admit(A, role="read")
    ring.admit(A, role="read")


def test_a_pair_is_one_of_curve(ring: Keyring) -> None:
    ring.make("me")
    pair = ring.client()
    assert pair is not None
    assert zmq.curve_public(z85.encode(bytes.fromhex(pair.secret))) == z85.encode(bytes.fromhex(pair.public))
    assert pair.secret not in repr(pair)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o666])
def test_a_secret_that_others_may_read_is_refused(ring: Keyring, bits: int) -> None:
    ring.make("me")
    (ring.folder / "client.key").chmod(bits)
    with pytest.raises(KeysError, match=rf"client\.key can be read by others \(mode {bits:04o}\).*chmod 600"):
        ring.client()


@pytest.mark.parametrize("name", ["admitted", "servers"])
def test_a_list_that_others_may_change_is_refused(ring: Keyring, name: str) -> None:
    ring.admit(A, role="full")
    ring.trust("tcp://h:1", A)
    (ring.folder / name).chmod(0o622)
    with pytest.raises(KeysError, match=rf"{name} can be changed by others.*chmod 600"):
        ring.admitted() if name == "admitted" else ring.servers()


def test_a_folder_that_others_may_change_is_refused(ring: Keyring) -> None:
    ring.make("me")
    ring.folder.chmod(0o777)
    with pytest.raises(KeysError, match=r"keys can be changed by others.*chmod 700"):
        ring.admit(A, role="full")


def test_a_file_that_is_no_pair_is_explained(ring: Keyring) -> None:
    ring.make("me")
    (ring.folder / "client.key").write_text("public 12\nsecret 34\n")
    with pytest.raises(KeysError, match=r"client\.key holds no pair of keys; remove it"):
        ring.client()


# Who is admitted


def test_keys_are_admitted_changed_and_revoked(ring: Keyring) -> None:
    ring.admit(A, role="full", name="ann")
    ring.admit(B.upper(), role="read")
    assert ring.admitted() == [Admission(A, "full", "ann"), Admission(B, "read", "key-b2b2b2b2")]
    ring.admit(A, role="read", name="ann")
    assert ring.admitted() == [Admission(B, "read", "key-b2b2b2b2"), Admission(A, "read", "ann")]
    assert ring.revoke("ann") == [Admission(A, "read", "ann")]
    assert ring.revoke(B) == [Admission(B, "read", "key-b2b2b2b2")]
    assert ring.admitted() == []


def test_revoking_what_is_not_there_names_what_is(ring: Keyring) -> None:
    ring.admit(A, role="full", name="ann")
    with pytest.raises(KeysError, match=r"^no admitted key is named or equal to 'bob'; there are: ann$"):
        ring.revoke("bob")


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, A + "00", "\0" * 40])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeysError, match=r"^a key is 64 hexadecimal digits, got "):
        parse_key(text)


def test_a_key_in_the_letters_of_zeromq_is_taken_too() -> None:
    assert parse_key(z85.encode(bytes.fromhex(A)).decode()) == A


@pytest.mark.parametrize("line", [f"{A} all ann", f"{A} full", f"{A} full a b", "xyz full ann"])
def test_a_bad_line_is_named(ring: Keyring, line: str) -> None:
    ring.admit(B, role="full")
    (ring.folder / "admitted").write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(KeysError, match=r"admitted:3: "):
        ring.admitted()


def test_a_name_is_one_word(ring: Keyring) -> None:
    with pytest.raises(KeysError, match="one word"):
        ring.admit(A, role="full", name="a b")


def test_a_change_is_seen_at_the_next_look(ring: Keyring) -> None:
    admitted = AdmittedKeys(str(ring.folder))
    assert admitted.find(A) is None
    ring.admit(A, role="read", name="ann")
    assert admitted.find(A) == Admission(A, "read", "ann")
    version = admitted.version
    admitted.refresh()
    assert admitted.version == version  # nothing was read
    ring.admit(A, role="full", name="ann")
    assert admitted.find(A) == Admission(A, "full", "ann")
    ring.revoke(A)
    assert admitted.find(A) is None


def test_programs_that_write_at_once_lose_nothing(ring: Keyring) -> None:
    code = (
        "import sys; from circus_core.access.keyring import Keyring; "
        "[Keyring(sys.argv[1]).admit(f'{int(sys.argv[2]) * 100 + i:064x}', role='read') for i in range(10)]"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(ring.folder), str(number)])
        for number in range(1, 5)
    ]
    assert [process.wait(60) for process in running] == [0] * 4
    assert len(ring.admitted()) == 40
    assert [path.name for path in ring.folder.iterdir() if path.name not in (".lock", "admitted")] == []


# Which key a client expects


def test_the_exact_endpoint_counts_before_its_host_and_what_runs_here(ring: Keyring) -> None:
    ring.trust("tcp://127.0.0.1:5", A, note="circusd")
    folder = str(ring.folder)
    assert server_key(folder, "tcp://127.0.0.1:5") == A
    ring.trust("tcp://127.0.0.1", B)
    assert server_key(folder, "tcp://127.0.0.1:5") == server_key(folder, "tcp://127.0.0.1:6") == B
    ring.trust("tcp://127.0.0.1:6", C)
    assert server_key(folder, "tcp://127.0.0.1:6") == C


@pytest.mark.parametrize(
    ("endpoint", "is_found"),
    [
        ("tcp://127.0.0.1:5", True),
        ("tcp://localhost:5", True),
        ("tcp://0.0.0.0:5", True),
        ("tcp://127.0.0.1:6", False),
        ("tcp://192.0.2.77:5", False),  # RFC 5737: nobody's
    ],
)
@pytest.mark.parametrize("wildcard", ["0.0.0.0", "*"])
def test_a_daemon_of_this_machine_is_found_at_all_its_addresses(
    ring: Keyring, endpoint: str, is_found: bool, wildcard: str
) -> None:
    ring.trust(f"tcp://{wildcard}:5", A, note="circusd")
    assert server_key(str(ring.folder), endpoint) == (A if is_found else None)
    assert server_key(str(ring.folder), endpoint, is_tunnelled=True) is None


def test_a_daemon_takes_back_only_its_own_line(ring: Keyring) -> None:
    ring.trust("tcp://a:1", A)
    ring.trust("tcp://b:1", B, note="circusd")
    ring.forget("tcp://a:1")
    ring.forget("tcp://b:1")
    assert ring.servers() == [("tcp://a:1", A, "")]


def test_nothing_is_made_by_looking(ring: Keyring) -> None:
    ring.forget("tcp://a:1")
    assert (ring.server(), ring.client(), ring.admitted(), ring.servers()) == (None, None, [], [])
    assert not ring.folder.exists()


def test_a_socket_gets_keys_only_where_they_are_asked_for(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUS_KEYS", str(ring.folder))
    ring.make("me")
    ring.trust("tcp://h.example:1", A)
    with zmq.Context() as context:
        for endpoint, mechanism in (
            ("ipc:///run/h", zmq.NULL),
            ("tcp://127.0.0.1:5555", zmq.NULL),
            ("tcp://h.example:1", zmq.CURVE),
        ):
            with context.socket(zmq.DEALER) as socket:
                secure(socket, endpoint)
                assert socket.getsockopt(zmq.MECHANISM) == mechanism


def test_a_daemon_that_asks_for_keys_and_none_of_our_own_is_explained(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUS_KEYS", str(ring.folder))
    ring.trust("tcp://h.example:1", A)
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
        pytest.raises(KeysError, match=r"asks for a key and there is none in .*: run 'circusctl keys make'"),
    ):
        secure(socket, "tcp://h.example:1")


def test_the_rule_imports_nothing_where_there_is_nothing_to_find(tmp_path: Path) -> None:
    code = (
        "import sys, os; from circus_core.access.keys import secure; before = set(sys.modules); "
        "secure(None, 'tcp://127.0.0.1:5555'); secure(None, 'ipc:///x'); print(set(sys.modules) - before)"
    )
    env = {**os.environ, "CIRCUS_KEYS": str(tmp_path / "none")}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env).strip() == "set()"


# What others may have put there


def test_a_pipe_or_a_file_without_end_in_the_place_of_the_list_admits_nobody_at_once(
    ring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    ring.make("me")
    admitted = ring.folder / "admitted"
    admitted.unlink()
    os.mkfifo(admitted, 0o600)
    assert AdmittedKeys(str(ring.folder)).find(A) is None
    assert "is no file of at most 1048576 bytes" in caplog.text
    admitted.unlink()
    admitted.touch(0o600)
    os.truncate(admitted, 1 << 40)
    with pytest.raises(KeysError, match="is no file of at most"):
        ring.admitted()


def test_nothing_is_made_in_a_folder_that_others_can_change(ring: Keyring) -> None:
    ring.folder.mkdir(parents=True)
    ring.folder.chmod(0o777)
    aim = ring.folder.parent / "aim"
    (ring.folder / ".lock").symlink_to(aim)
    with pytest.raises(KeysError, match="can be changed by others"):
        ring.make("me")
    assert not aim.exists()
    ring.folder.chmod(0o700)
    with pytest.raises(KeysError, match="can't use the folder"):
        ring.make("me")
    assert not aim.exists()
