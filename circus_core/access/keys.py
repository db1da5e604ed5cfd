"""The one rule by which a client finds the keys for an endpoint. Costs little where there are none to find.

Every program that connects to a daemon calls `secure` before it does. Two files are read, which
`circus_core.access.keyring` writes: `servers` says which endpoints ask for keys, `client.key` is our pair.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Final

from circus_core.errors import KeysError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zmq

__all__ = [
    "CLIENT_FILE",
    "FOLDER_VARIABLE",
    "RUNNING",
    "SERVERS_FILE",
    "key_folder",
    "known_servers",
    "read_pair",
    "secure",
    "server_key",
]

FOLDER_VARIABLE: Final = "CIRCUS_KEYS"
SERVERS_FILE: Final = "servers"
CLIENT_FILE: Final = "client.key"
RUNNING: Final = "circusd"
"""Third word of a line that a daemon of this machine wrote; the next one at that address may take it back."""

_WILDCARDS: Final = ("0.0.0.0", "*", "[::]")
_LIMIT: Final = 1 << 20  # bytes of a file


def secure(socket: zmq.Socket[Any], endpoint: str, *, is_tunnelled: bool = False) -> None:
    """Give a socket the keys that the daemon at `endpoint` asks for, before it connects.

    Lets it speak IPv6 if the endpoint is `tcp://[ADDRESS]:PORT`; apart from this it does nothing for ipc and
    for a daemon that is not known to ask for keys. A key that is refused can't be told from a daemon that
    does not answer: the connection is never made.

    Args:
        endpoint: where the daemon is, also if the socket will connect to the near end of a tunnel.
        is_tunnelled: it is not on this machine, whatever `endpoint` looks like.

    Raises:
        KeysError: there are keys and they can't be used.
    """
    if not endpoint.startswith("tcp://"):
        return
    if "[" in endpoint:
        socket.ipv6 = True
    folder = key_folder()
    server = server_key(folder, endpoint, is_tunnelled=is_tunnelled)
    if server is None:
        return
    pair = read_pair(os.path.join(folder, CLIENT_FILE))
    if pair is None:
        raise KeysError(f"{endpoint} asks for a key and there is none in {folder}: run 'circusctl keys make'")
    socket.curve_serverkey = bytes.fromhex(server)
    socket.curve_publickey, socket.curve_secretkey = bytes.fromhex(pair[0]), bytes.fromhex(pair[1])


def key_folder(wanted: str | None = None) -> str:
    """Return the folder of the keys.

    The first of these that is given: `wanted`, $CIRCUS_KEYS, $XDG_CONFIG_HOME/circus/keys,
    ~/.config/circus/keys.
    """
    chosen = wanted or os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    config = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):  # by its specification to be ignored
        config = os.path.expanduser("~/.config")
    return os.path.join(config, "circus", "keys")


def server_key(folder: str, endpoint: str, *, is_tunnelled: bool = False) -> str | None:
    """Return the public key of the daemon at a tcp endpoint; None if it is not known to have one.

    A line for just this endpoint counts first, then one for all ports of its host, then one of a daemon on
    this machine that can be reached there.
    """
    host = endpoint.rpartition(":")[0]
    of_host = of_neighbour = None
    for address, key, note in known_servers(folder):
        if note == RUNNING:
            if not is_tunnelled and _reaches(endpoint, address):
                of_neighbour = key
        elif address == endpoint:
            return key
        elif address == host:
            of_host = key
    return of_host or of_neighbour


def known_servers(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield endpoint, public key and note of each line of `servers`."""
    path = os.path.join(folder, SERVERS_FILE)
    for number, line in enumerate(_read(path, 0o022, "changed").splitlines(), 1):
        words = line.split()
        if not words or words[0] == "#":
            continue
        if len(words) not in (2, 3) or not _is_key(words[1]):
            raise KeysError(f"{path}:{number}: write ENDPOINT KEY, the key as 64 hexadecimal digits")
        yield words[0], words[1], words[2] if len(words) > 2 else ""


def read_pair(path: str) -> tuple[str, str] | None:
    """Read a key pair, public and secret; None if there is no such file.

    Raises:
        KeysError: others may read it, or it holds no pair.
    """
    text = _read(path, 0o077, "read")
    if not text:
        return None
    words = dict(line.split(None, 1) for line in text.splitlines() if " " in line)
    public, secret = words.get("public", "").strip(), words.get("secret", "").strip()
    if not (_is_key(public) and _is_key(secret)):
        raise KeysError(f"{path} holds no pair of keys; remove it and run 'circusctl keys make'")
    return public, secret


def _read(path: str, forbidden: int, verb: str) -> str:
    """Return the text of a file, nothing if it is missing; KeysError if others may do what they must not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # $HOME may be that of another user
        return ""
    except OSError as error:
        raise KeysError(f"can't read {path}: {(error.strerror or str(error)).lower()}") from error
    with open(descriptor, encoding="ascii", errors="replace") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeysError(f"{path} is not a file")
        if found.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
            raise KeysError(f"{path} belongs to uid {found.st_uid}, so it is not used")
        mode = stat.S_IMODE(found.st_mode)
        if mode & forbidden:
            raise KeysError(
                f"{path} can be {verb} by others (mode {mode:04o}), so it is not used: run chmod 600 {path}"
            )
        return file.read(_LIMIT)


def _is_key(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _reaches(endpoint: str, address: str) -> bool:
    """Return whether a client at `endpoint` comes to a daemon of this machine that is bound to `address`."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    bound, _, bound_port = address.removeprefix("tcp://").rpartition(":")
    if port != bound_port:
        return False
    if host in (bound, *_WILDCARDS):
        return True
    return any(
        _is_of_this_machine(family, name) if bound in _WILDCARDS else name == bound.strip("[]")
        for family, name in _addresses(host.strip("[]"))
    )


def _addresses(host: str) -> list[tuple[int, str]]:
    import socket

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(int(family), str(address[0])) for family, _, _, _, address in found]


def _is_of_this_machine(family: int, address: str) -> bool:
    """Only an address of this machine can be bound: bind(2)."""
    import socket

    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
