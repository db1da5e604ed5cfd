"""Where the daemon's ZeroMQ sockets are bound: `tcp://HOST:PORT` and `ipc://PATH`."""

from __future__ import annotations

import errno
import ipaddress
import os
import pwd
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import zmq

from circus_core.errors import EndpointError
from circus_core.records import dataclass

__all__ = ["BoundEndpoint", "bind", "is_local_tcp"]

_BACKLOG: Final = 128
_OWNER_ONLY: Final = 0o177  # umask: read and write for the owner, nothing for others
_EVERYBODY: Final = 0o111  # umask: read and write for all, whose users are asked for afterwards


@dataclass(frozen=True, slots=True)
class BoundEndpoint:
    """An endpoint in use.

    Attributes:
        address: as clients give it; a port left to the system is filled in.
        port: TCP port, None for ipc.
        file: the socket file of ipc with its device and inode, None for tcp and abstract names.
    """

    address: str
    port: int | None = None
    file: tuple[Path, int, int] | None = None

    def is_local(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return self.port is None or _is_loopback(self.address)

    def remove_file(self) -> None:
        """Delete the socket file, unless someone else's has taken its place."""
        if self.file is None:
            return
        path, device, inode = self.file
        try:
            found = path.lstat()
            if (found.st_dev, found.st_ino) == (device, inode):
                path.unlink()
        except FileNotFoundError:
            pass


def is_local_tcp(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> bool:
    """Return whether only programs on this machine could reach a tcp endpoint, once it is bound.

    HOST may be an address, a name, `*` or the name of an interface: what libzmq makes of it is asked for by
    binding it to a free port for a moment, which somebody else may want just then. So that is not done for an
    address of which it is known. Raises EndpointError if it can't be bound.
    """
    with suppress(ValueError):  # it is no address
        if _is_loopback(endpoint):
            return True
    host, colon, _ = endpoint.removeprefix("tcp://").rpartition(":")
    with context.socket(zmq.ROUTER) as probe:
        probe.setsockopt(zmq.LINGER, 0)
        address = f"tcp://{host}:*" if colon else endpoint
        return _bind_tcp(probe, address, called=endpoint).is_local()


def _is_loopback(address: str) -> bool:
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]").partition("%")[0]
    found = ipaddress.ip_address(host)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def bind(
    zmq_socket: zmq.Socket[bytes], endpoint: str, *, owner: str | None = None, is_shared: bool = False
) -> BoundEndpoint:
    """Bind a socket; the file of an ipc endpoint is readable and writable for its owner only.

    The folder of that file is made if it is missing, for the owner only too.

    Args:
        zmq_socket: not yet bound; all its options are set.
        endpoint: `tcp://HOST:PORT` (PORT may be `*`), `ipc://PATH` or `ipc://@ABSTRACT`.
        owner: user name who gets the socket file; None leaves it to the user of the daemon.
        is_shared: others may connect too, whoever they are: their users are asked for afterwards.

    Raises:
        EndpointError: with what to do about it.
    """
    transport, separator, place = endpoint.partition("://")
    if transport == "ipc" and separator and place:
        return _bind_ipc(zmq_socket, endpoint, place, owner, is_shared=is_shared)
    if transport == "tcp" and separator and place:
        return _bind_tcp(zmq_socket, endpoint)
    raise EndpointError(f"endpoint must be tcp://HOST:PORT or ipc://PATH, got '{endpoint}'")


def _bind_tcp(zmq_socket: zmq.Socket[bytes], endpoint: str, *, called: str = "") -> BoundEndpoint:
    if "[" in endpoint:
        zmq_socket.setsockopt(zmq.IPV6, 1)  # names and `*` go on meaning IPv4
    try:
        zmq_socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise EndpointError(_explain(called or endpoint, error.errno or 0)) from error
    address = zmq_socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
    return BoundEndpoint(address=address, port=int(address.rpartition(":")[2]))


def _bind_ipc(
    zmq_socket: zmq.Socket[bytes], endpoint: str, place: str, owner: str | None, *, is_shared: bool
) -> BoundEndpoint:
    # We bind and libzmq takes over (ZMQ_USE_FD): on its own it deletes the file of whoever is there.
    abstract = place.startswith("@")
    name = "\0" + place[1:] if abstract else place
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            if not abstract:
                _make_folder(Path(place).parent, mode=0o711 if is_shared or owner is not None else 0o700)
            umask = _EVERYBODY if is_shared else _OWNER_ONLY
            _bind_listener(listener, name, umask=umask, is_abstract=abstract)
            file = None if abstract else _socket_file(Path(place), owner)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            zmq_socket.setsockopt(zmq.USE_FD, listener.fileno())
            zmq_socket.bind(endpoint)
        except KeyError:
            raise EndpointError(f"endpoint_owner of {endpoint} must be a user, got '{owner}'") from None
        except (OSError, zmq.ZMQError) as error:  # without a number: Python found the path too long
            raise EndpointError(_explain(endpoint, error.errno or errno.ENAMETOOLONG)) from error
        listener.detach()  # libzmq closes it with its socket
    return BoundEndpoint(address=endpoint, file=file)


def _bind_listener(listener: socket.socket, name: str, *, umask: int, is_abstract: bool) -> None:
    previous = os.umask(umask)
    try:
        listener.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or is_abstract or not _is_stale(name):
            raise
        os.unlink(name)
        listener.bind(name)
    finally:
        os.umask(previous)


def _is_stale(path: str) -> bool:
    """Return whether nobody listens on a socket file any more."""
    if not Path(path).is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def _make_folder(folder: Path, *, mode: int) -> None:
    """Make the last folder of the path if it is missing; others may pass it or not, but never list it."""
    if not folder.exists() and folder.parent.exists():
        folder.mkdir(0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, mode)  # whatever the umask is
        finally:
            os.close(descriptor)


def _socket_file(path: Path, owner: str | None) -> tuple[Path, int, int]:
    """Give the file to its owner, and return what it is known by.

    Who can write to the folder may put another file in its place at any moment: only what can't be anything
    but our socket is given away.
    """
    found = path.lstat() if owner is None else _give_away(path, pwd.getpwnam(owner).pw_uid)
    return path.absolute(), found.st_dev, found.st_ino


def _give_away(path: Path, uid: int) -> os.stat_result:
    if not hasattr(os, "O_PATH"):  # not Linux: at least links are not followed
        os.chown(path, uid, -1, follow_symlinks=False)
        return path.lstat()
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "another file was put in its place")
        os.chown(f"/proc/self/fd/{descriptor}", uid, -1)
    finally:
        os.close(descriptor)
    return found


def _explain(endpoint: str, number: int) -> str:
    text = f"can't use endpoint {endpoint}: {zmq.strerror(number).lower()}"
    if number == errno.EADDRINUSE:
        return (
            f"another circusd is probably running on {endpoint} (address already in use); "
            f"ask it with 'circusctl --endpoint {endpoint} status' or give another endpoint"
        )
    if number in (errno.EACCES, errno.EPERM):
        return f"{text}; give a place that user {os.geteuid()} may use"
    if number == errno.ENAMETOOLONG:
        return f"{text}; give a path of at most 107 bytes"
    if number == errno.ENOENT:
        return f"{text}; make the folder first"
    if number in (errno.ENODEV, errno.EADDRNOTAVAIL):
        return f"{text}; give an address of this machine, 127.0.0.1 to stay local"
    return text
