"""Endpoints of a daemon on another machine, reached through the system's `ssh` program.

ssh listens at unix sockets in a folder that only this user can enter, so nobody else on this machine can use
the tunnel. ZeroMQ speaks the same bytes over a unix socket as over TCP (ZMTP does not depend on what carries
it): a socket connects to `ipc://FOLDER/0` here and talks to `tcp://127.0.0.1:5555` there.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Final, Self

from circus_core.errors import CallError
from circus_core.records import dataclass

__all__ = ["Server", "Tunnel", "open_tunnel"]

_LOGIN: Final = 60.0
"""Seconds until a login that asks nobody must be done; somebody at a terminal may take longer."""

_REQUEST: Final = 15.0
"""Seconds for one further forwarding."""

_ENDING: Final = 5.0
"""Seconds that ssh has to end before it is killed."""

_LONGEST_FOLDER: Final = 60
"""Bytes: sun_path of unix(7) holds 108, and ssh puts a random name behind that of its own socket."""

_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "*", "[::]", "::"})

# ssh lives no longer than whoever asked for it: when our end of its keeper's standard input is closed, which
# the kernel does for a process that is killed, `read` returns. The other way round, the keeper closes its
# standard output when ssh has ended. In the background ssh is deaf to Ctrl-C.
_KEEPER: Final = """\
trap '' INT QUIT
exec 3<&0
ssh "$@" 3<&- & ssh=$!
{ read -r _ <&3; kill $ssh; } >/dev/null 2>&1 & leash=$!
wait $ssh
{ kill $leash; wait $leash; } >/dev/null 2>&1
exec >&- 2>&-
read -r _ <&3
rm -rf "$0"
"""

_OPTIONS: Final = (
    "ControlMaster=yes",  # further forwardings need no further login
    "ControlPersist=no",
    "PermitLocalCommand=yes",
    "LocalCommand=echo",  # a byte for us when the login is done: ssh_config(5)
    "RemoteCommand=none",
    "ExitOnForwardFailure=yes",
    "StreamLocalBindMask=0177",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "LogLevel=ERROR",
)


@dataclass(frozen=True, slots=True)
class Server:
    """Whom to log in to; None is up to ssh and its configuration."""

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[user@]host[:port]`, an IPv6 address in brackets; CallError if it is none."""
        user, at, address = text.rpartition("@")
        host, colon, port = address, "", ""
        if address.count(":") == 1 or "]:" in address:
            host, colon, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        is_bad = (
            not host
            or host.startswith("-")
            or user.startswith("-")
            or any(character.isspace() for character in text)
            or (at and not user)
            or (colon and not (port.isdecimal() and 0 < int(port) < 65536))
        )
        if is_bad:
            raise CallError(f"an ssh server must be [USER@]HOST[:PORT], got '{text}'")
        return cls(host, user or None, int(port) if port else None)

    def words(self) -> list[str]:
        """Return what ssh is told of it."""
        words = [] if self.user is None else ["-l", self.user]
        words += [] if self.port is None else ["-p", str(self.port)]
        return [*words, "--", self.host]


class Tunnel:
    """A login at a server, and the endpoints forwarded through it. To be closed; a context manager.

    Whatever becomes of this process, ssh ends with it. Any thread may ask for a forwarding; they take turns.
    """

    def __init__(self, server: str, keyfile: str | None = None) -> None:
        """Log in, and wait until that is done.

        ssh asks for what it needs (passwords, unknown hosts) if standard input is a terminal, and
        otherwise nobody.

        Args:
            server: `[user@]host[:port]`.
            keyfile: a private key; those that ssh finds by itself if not given.

        Raises:
            CallError: with what ssh says.
        """
        self.server = server
        self._login = Server.parse(server)
        self._forwarded: dict[str, str] = {}
        self._turn = threading.Lock()
        if keyfile is not None and not os.path.exists(os.path.expanduser(keyfile)):
            raise CallError(f"there is no key file '{keyfile}'")
        self._keyfile = keyfile
        if shutil.which("ssh") is None:
            raise CallError("there is no program 'ssh' in PATH: install the client of OpenSSH")
        self._folder = _private_folder()
        self._keeper: _Keeper | None = None
        try:
            self._keeper = self._start()
            self._wait_for_login(self._keeper)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def forward(self, endpoint: str) -> str:
        """Return the endpoint here that leads to one there.

        Args:
            endpoint: as a program on the server would reach it: tcp://127.0.0.1:5555 or ipc:///run/app/ctl.

        Raises:
            CallError: it can't be forwarded.
        """
        with self._turn:
            if endpoint not in self._forwarded:
                path = os.path.join(self._folder, str(len(self._forwarded)))
                self._ask("forward", "-L", f"{path}:{_target(endpoint)}")
                self._forwarded[endpoint] = f"ipc://{path}"
            return self._forwarded[endpoint]

    def fileno(self) -> int:
        """Return a descriptor that is readable when ssh has ended, as it does when the connection breaks."""
        return -1 if self._keeper is None else self._keeper.said

    @property
    def is_open(self) -> bool:
        """Whether ssh still runs."""
        return self._keeper is not None and not self._keeper.has_word(0)

    def close(self) -> None:
        """Log out and wait until ssh has ended; again does nothing."""
        if self._keeper is not None:
            self._keeper.end()
            self._keeper = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> _Keeper:
        options = [*_OPTIONS, f"BatchMode={'no' if _is_attended() else 'yes'}"]
        words = ["-N", "-T", "-a", "-x", "-S", self._control, *(f"-o{option}" for option in options)]
        if self._keyfile is not None:
            words += ["-i", os.path.expanduser(self._keyfile), "-oIdentitiesOnly=yes"]
        return _Keeper(self._folder, [*words, *self._login.words()], self._complaints)

    def _wait_for_login(self, keeper: _Keeper) -> None:
        if not keeper.wait_for_byte(None if _is_attended() else _LOGIN):
            raise CallError(f"ssh to {self.server}: {self._complaint() or 'the login takes too long'}")

    def _ask(self, request: str, *words: str) -> None:
        """Ask the ssh that is logged in for something: ssh(1), -O."""
        command = ["ssh", "-S", self._control, "-O", request, *words, *self._login.words()]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_REQUEST, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CallError(f"ssh to {self.server} does not answer any more") from error
        if done.returncode != 0:
            said = (
                done.stderr.decode(errors="replace").strip() or self._complaint() or "it ended without a word"
            )
            raise CallError(f"ssh to {self.server}: {said}")

    def _complaint(self) -> str:
        """Return what ssh printed, its last line being the reason."""
        try:
            with open(self._complaints, encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file if line.strip()]
        except OSError:
            lines = []
        return "\n".join(lines).removeprefix("ssh: ")

    @property
    def _control(self) -> str:
        return os.path.join(self._folder, "ssh")

    @property
    def _complaints(self) -> str:
        return os.path.join(self._folder, "complaints")


class _Keeper:
    """A shell that runs ssh, and ends it when we let go of the leash or are gone."""

    def __init__(self, folder: str, words: list[str], complaints: str) -> None:
        """`folder` is removed at the end; what ssh says goes to the file `complaints`."""
        held, self._leash = os.pipe()
        self.said, said = os.pipe()
        try:
            with open(complaints, "wb") as file:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", _KEEPER, folder, *words], stdin=held, stdout=said, stderr=file
                )
        except BaseException:
            os.close(self._leash)
            os.close(self.said)
            raise
        finally:
            os.close(held)
            os.close(said)

    def wait_for_byte(self, timeout: float | None) -> bool:
        """Wait for the byte of LocalCommand; False if ssh ended before, or after `timeout` seconds."""
        return self.has_word(timeout) and bool(os.read(self.said, 1))

    def has_word(self, timeout: float | None) -> bool:
        """Wait until there is a byte of LocalCommand, or ssh has ended; False after `timeout` seconds."""
        return bool(select.select([self.said], [], [], timeout)[0])

    def end(self) -> None:
        """Let go, and wait until both have ended."""
        os.close(self._leash)
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self.said)


def open_tunnel(server: str, keyfile: str | None = None) -> Tunnel:
    """Log in at `[user@]host[:port]` and return the tunnel; raises CallError as `Tunnel` does."""
    return Tunnel(server, keyfile)


def _private_folder() -> str:
    """Make a folder that only we can enter, with a name short enough for the sockets in it."""
    folder = tempfile.gettempdir()
    is_short = len(os.fsencode(folder)) < _LONGEST_FOLDER
    return tempfile.mkdtemp(prefix="circus-ssh-", dir=folder if is_short else "/tmp")  # noqa: S108


def _is_attended() -> bool:
    """Whether somebody can answer the questions of ssh."""
    try:
        return os.isatty(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # there is none, it is closed, it is no file
        return False


def _target(endpoint: str) -> str:
    """Return an endpoint as ssh writes the far end of a forwarding."""
    scheme, separator, address = endpoint.partition("://")
    host, _, port = address.rpartition(":")
    if separator and scheme == "tcp" and host and port.isdecimal():
        return f"{'127.0.0.1' if host in _ANY_ADDRESS else host}:{port}"
    if separator and scheme == "ipc" and address.startswith("/"):
        return address
    raise CallError(f"through ssh an endpoint must be tcp://HOST:PORT or ipc:///PATH, got '{endpoint}'")
