"""The folder of keys: who this daemon admits, which daemons we know, and our own two pairs.

    server.key   pair of the daemon: `public HEX`, `secret HEX`; mode 0600
    client.key   pair of the owner of the folder, likewise
    admitted     a line `PUBLICKEY ROLE NAME` for each client that the daemon lets in
    servers      a line `ENDPOINT PUBLICKEY` for each daemon that asks for keys; one that runs on this machine
                 writes its own, with `circusd` behind it

Keys are those of CURVE (https://rfc.zeromq.org/spec/26/), 64 hexadecimal digits each, which need no quotes in
a shell. A line `# ...` is a comment. Files are replaced, never changed in place, so a reader sees one state.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from circus_core.access.identity import Role
from circus_core.access.keys import CLIENT_FILE, RUNNING, SERVERS_FILE, known_servers, read_pair
from circus_core.errors import KeysError
from circus_core.records import dataclass

__all__ = ["ADMITTED_FILE", "SERVER_FILE", "Admission", "AdmittedKeys", "KeyPair", "Keyring", "parse_key"]

log = logging.getLogger("circus")

SERVER_FILE: Final = "server.key"
ADMITTED_FILE: Final = "admitted"
_LOCK_FILE: Final = ".lock"
_LIMIT: Final = 1 << 20  # bytes of a file: about 12 000 keys
_PATIENCE: Final = 30.0  # seconds; a file is written in a few milliseconds, but there may be many who write
_PAUSE: Final = 0.01  # seconds between two tries: flock(2) knows no timeout
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_ROLES: Final[tuple[Role, ...]] = ("full", "read")
_HEADS: Final = {
    ADMITTED_FILE: "# PUBLICKEY ROLE NAME, a line for each client of circusd; ROLE is full or read\n",
    SERVERS_FILE: "# ENDPOINT PUBLICKEY, a line for each circusd that asks for keys\n",
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Two halves, 64 hexadecimal digits each."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair({self.public})"


@dataclass(frozen=True, slots=True)
class Admission:
    """One client that may talk to the daemon."""

    key: str
    role: Role
    name: str


def parse_key(text: str) -> str:
    """Return a public key as 64 hexadecimal digits, also from the 40 characters of Z85. Raises KeysError."""
    key = text.strip()
    digits = key.lower()
    if len(digits) == 64 and not digits.strip("0123456789abcdef"):
        return digits
    if len(key) == 40:
        from zmq.utils import z85

        with suppress(ValueError, KeyError, IndexError):
            return z85.decode(key).hex()
    raise KeysError(f"a key is 64 hexadecimal digits, got '{text}'; 'circusctl keys show' shows yours")


class Keyring:
    """Reads and writes one folder. Every method may raise KeysError, which says what to do."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    # Pairs

    def server(self) -> KeyPair | None:
        """Return the pair of the daemon."""
        return self._pair(SERVER_FILE)

    def client(self) -> KeyPair | None:
        """Return the pair of the owner."""
        return self._pair(CLIENT_FILE)

    def make(self, owner: str) -> list[str]:
        """Make the pairs that are missing, and admit the owner's own if it is new; returns the files made."""
        with self._locked():
            made = [name for name in (SERVER_FILE, CLIENT_FILE) if self._make_pair(name)]
            client = self.client()
            if CLIENT_FILE in made and client is not None:
                self._put(Admission(client.public, "full", owner))
        return made

    # Who is admitted

    def admitted(self) -> list[Admission]:
        """Return all clients that the daemon lets in."""
        return list(_admissions(self.folder / ADMITTED_FILE))

    def admit(self, key: str, *, role: Role, name: str = "") -> Admission:
        """Let a client in from now on; a key that was admitted before has this role and name then."""
        known = parse_key(key)
        if len((name or "x").split()) != 1:
            raise KeysError(f"the name of a key is one word, got '{name}'")
        admission = Admission(known, role, name or f"key-{known[:8]}")
        with self._locked():
            self._put(admission)
        return admission

    def revoke(self, wanted: str) -> list[Admission]:
        """Let a client in no more; returns what was taken out.

        Args:
            wanted: its key, or its name, which may be that of several.
        """
        key = wanted.lower()
        with self._locked():
            before = self.admitted()
            gone = [each for each in before if wanted == each.name or key == each.key]
            if not gone:
                names = ", ".join(sorted({each.name for each in before})) or "none"
                raise KeysError(f"no admitted key is named or equal to '{wanted}'; there are: {names}")
            self._write_admitted(each for each in before if each not in gone)
        return gone

    # Which daemons are known

    def servers(self) -> list[tuple[str, str, str]]:
        """Return endpoint, public key and note of each known daemon."""
        return list(known_servers(str(self.folder)))

    def trust(self, endpoint: str, key: str, *, note: str = "") -> str:
        """Use this key of the daemon's from now on when something connects to `endpoint`; returns it.

        Args:
            endpoint: `tcp://HOST:PORT`, or `tcp://HOST` for all ports of that host.
        """
        known = parse_key(key)
        if not endpoint.removeprefix("tcp://") or not endpoint.startswith("tcp://") or " " in endpoint:
            raise KeysError(
                f"keys are for tcp://HOST:PORT, or tcp://HOST for all its ports, got '{endpoint}'"
            )
        with self._locked():
            others = [line for line in self.servers() if line[0] != endpoint]
            self._write_servers([*others, (endpoint, known, note)])
        return known

    def forget(self, endpoint: str) -> None:
        """Take back the line that a daemon on this machine wrote, and none that a person did."""
        if not (self.folder / SERVERS_FILE).exists():
            return
        with self._locked():
            before = self.servers()
            left = [line for line in before if line[0] != endpoint or line[2] != RUNNING]
            if left != before:
                self._write_servers(left)

    # Files

    def _pair(self, name: str) -> KeyPair | None:
        pair = read_pair(str(self.folder / name))
        return None if pair is None else KeyPair(*pair)

    def _make_pair(self, name: str) -> bool:
        if self._pair(name) is not None:
            return False
        import zmq
        from zmq.utils import z85

        public, secret = (z85.decode(key).hex() for key in zmq.curve_keypair())
        text = f"# keep the secret half to yourself\npublic {public}\nsecret {secret}\n"
        self._write(name, text)
        return True

    def _put(self, admission: Admission) -> None:
        others = (each for each in self.admitted() if each.key != admission.key)
        self._write_admitted([*others, admission])

    def _write_admitted(self, admissions: Iterable[Admission]) -> None:
        lines = [f"{each.key} {each.role} {each.name}\n" for each in admissions]
        self._write(ADMITTED_FILE, _HEADS[ADMITTED_FILE] + "".join(lines))

    def _write_servers(self, servers: Sequence[tuple[str, str, str]]) -> None:
        lines = [" ".join(filter(None, line)) + "\n" for line in servers]
        self._write(SERVERS_FILE, _HEADS[SERVERS_FILE] + "".join(lines))

    def _write(self, name: str, text: str) -> None:
        """Replace a file at once: rename(2). Comments of people are not kept."""
        new = self.folder / f".{name}.{os.getpid()}"
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            new.replace(self.folder / name)
        except OSError as error:
            with suppress(OSError):
                new.unlink()
            raise KeysError(f"can't write {self.folder / name}: {_reason(error)}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other programs from writing meanwhile; makes the folder, mode 0700."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_folder(self.folder)  # before anything is made in it
            lock = os.open(self.folder / _LOCK_FILE, _LOCK_FLAGS, 0o600)
        except OSError as error:
            raise KeysError(f"can't use the folder {self.folder}: {_reason(error)}") from error
        try:
            self._wait_for_turn(lock)
            yield
        finally:
            os.close(lock)

    def _wait_for_turn(self, lock: int) -> None:
        """Lock the folder. Who has it has it for a moment, unless it was suspended: KeysError."""
        deadline = time.monotonic() + _PATIENCE
        while not _has_locked(lock):
            if time.monotonic() > deadline:
                raise KeysError(
                    f"another program has locked {self.folder} for more than {_PATIENCE:g} s: find it by "
                    f"'fuser {self.folder / _LOCK_FILE}', and let it go on or end it"
                )
            time.sleep(_PAUSE)


class AdmittedKeys:
    """Who is admitted now: the file is read again when it has changed, at the price of one stat(2) a look.

    Attributes:
        version: counts how often it was read.
    """

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / ADMITTED_FILE
        self._seen: tuple[int, ...] | None = None
        self._admissions: dict[str, Admission] = {}
        self.version = 0

    def find(self, key: str) -> Admission | None:
        """Return what a public key may do, None if it is not admitted. Never raises."""
        self.refresh()
        return self._admissions.get(key)

    def refresh(self) -> None:
        """Read the file if it has changed. One that can't be used admits nobody."""
        now = self._signature()
        if now == self._seen:
            return
        self._seen, self._admissions = now, {}
        self.version += 1
        try:
            self._admissions = {each.key: each for each in _admissions(self._path)}
        except KeysError as error:
            log.error("%s; until then no key is admitted", error)

    def _signature(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode, found.st_uid


def _admissions(path: Path) -> Iterator[Admission]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        if not words or words[0] == "#":
            continue
        role = next((role for role in _ROLES if words[1:2] == [role]), None)
        if len(words) != 3 or role is None:
            raise KeysError(f"{path}:{number}: write PUBLICKEY, full or read, and a name of one word")
        try:
            key = parse_key(words[0])
        except KeysError as error:
            raise KeysError(f"{path}:{number}: {error}") from error
        yield Admission(key, role, words[2])


def _text(path: Path) -> str:
    """Return the text of a file that is no secret, but that nobody else may change."""
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )  # a pipe would hold up the loop
        with open(descriptor, encoding="ascii", errors="replace") as file:
            found = os.fstat(descriptor)
            text = file.read(_LIMIT + 1) if stat.S_ISREG(found.st_mode) else None
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise KeysError(f"can't read {path}: {_reason(error)}") from error
    if found.st_mode & 0o022 or found.st_uid not in (os.geteuid(), 0):
        raise KeysError(f"{path} can be changed by others, so it is not used: run chmod 600 {path}")
    if text is None or len(text) > _LIMIT:
        raise KeysError(f"{path} is no file of at most {_LIMIT} bytes, so it is not used")
    return text


def _has_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_folder(folder: Path) -> None:
    found = folder.stat()
    if found.st_mode & 0o022 or found.st_uid not in (os.geteuid(), 0):
        raise KeysError(f"{folder} can be changed by others, so it is not used: run chmod 700 {folder}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
