"""Listening sockets: made and bound by the daemon, inherited by processes, waited for on demand.

A socket is bound once and its descriptor goes to the processes; the daemon never accepts or reads.
Everything here runs on the thread of the loop and blocks only where the constructor says so.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from circus_core.config.model import SocketConfig
from circus_core.errors import AlreadyExistError, SocketError

__all__ = ["CircusSocket", "ConnectionWatch", "Sockets"]

FAMILIES: Final = ("AF_INET", "AF_INET6", "AF_UNIX")
TYPES: Final = ("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET")
LOOPBACK: Final[Mapping[int, str]] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
WILDCARDS: Final = frozenset({"0.0.0.0", "::"})
LISTENING_TYPES: Final = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
SO_BINDTODEVICE: Final = 25  # socket(7), Linux only

WAY_OUT: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "stop the program that uses it or choose another port",
    errno.EADDRNOTAVAIL: "no network interface of this machine has this address",
    errno.EAFNOSUPPORT: "this machine lacks the address family",
    errno.EMFILE: "raise the limit of open files",
}


class CircusSocket(socket.socket):
    """A socket that knows where to bind; the keywords are those of Circus 0.19.

    A host that is not a literal address is looked up here, in the constructor, and the first address
    of the wanted family is used; this is the only thing that may block. Nothing is bound yet.

    Attributes:
        host, port: the resolved address; the real port once bound. None for a unix socket.
        socktype: SOCK_STREAM ...; `type` of the base class says the same.
        is_bound: bind_and_listen() succeeded.

    Raises:
        SocketError: the address can't be used, or the machine has no such kind of socket.
    """

    def __init__(
        self,
        name: str = "",
        host: str | None = "localhost",
        port: int | None = 8080,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        backlog: int = 2048,
        path: str | None = None,
        umask: int | None = None,
        replace: bool = False,
        interface: str | None = None,
        so_reuseport: bool = False,
        blocking: bool = False,
        *,
        fileno: int | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.umask = umask
        self.replace = replace
        self.interface = interface
        self.backlog = backlog
        self.so_reuseport = so_reuseport
        self.blocking = blocking
        self.socktype = type
        self.is_unix = path is not None or family == socket.AF_UNIX
        self.is_bound = False
        self._own_inode: tuple[int, int] | None = None
        self._address: Any = self._resolve(host, port, family)
        self.host: str | None = None if self.is_unix else self._address[0]
        self.port: int | None = None if self.is_unix else self._address[1]
        family = socket.AF_UNIX if self.is_unix else family
        with self._people_errors():
            super().__init__(family, type, proto, fileno=fileno)
        if fileno is None:
            self._set_options()

    @classmethod
    def load_from_config(cls, config: SocketConfig) -> Self:
        """Make the socket of a `[socket:NAME]` section; raises SocketError."""
        return cls(
            name=config.name,
            host=config.host,
            port=config.port,
            family=_constant(config.name, "family", config.family, FAMILIES),
            type=_constant(config.name, "type", config.type, TYPES),
            proto=_protocol(config.name, config.proto),
            backlog=config.backlog,
            path=config.path,
            umask=config.umask,
            replace=config.replace,
            interface=config.interface,
            so_reuseport=config.so_reuseport,
            blocking=config.blocking,
        )

    @property
    def location(self) -> str:
        """HOST:PORT, [HOST]:PORT for IPv6, or the quoted path."""
        if self.is_unix:
            return repr(self.path)
        return f"[{self.host}]:{self.port}" if ":" in str(self.host) else f"{self.host}:{self.port}"

    @property
    def is_per_worker(self) -> bool:
        """Each process gets a socket of its own (see Sockets.fresh); this one is never bound."""
        return self.so_reuseport and not self.is_unix and hasattr(socket, "SO_REUSEPORT")

    def __str__(self) -> str:
        return f"socket {self.name!r} at {self.location}"

    def bind_and_listen(self) -> None:
        """Bind, set the blocking mode, and listen if it is a stream or seqpacket socket.

        The umask of a unix socket is in force during bind(2) only. It belongs to the whole program, so a
        file that another thread creates in these microseconds gets it too.

        Raises:
            SocketError: the text names socket, address, cause and way out. Call close() then.
        """
        with self._people_errors():
            if self.is_unix:
                self._bind_path()
            else:
                self.bind(self._address)
            self.is_bound = True
            self._learn_port()
            self.setblocking(self.blocking)
            if self.socktype in LISTENING_TYPES:
                self.listen(self.backlog)

    def adapt(self, config: SocketConfig) -> None:
        """Take over what can change without binding anew: backlog, umask and replace. Raises SocketError."""
        has_other_umask = self.umask != config.umask
        self.backlog, self.umask, self.replace = config.backlog, config.umask, config.replace
        if not self.is_bound:
            return
        with self._people_errors():
            if self.socktype in LISTENING_TYPES:
                self.listen(self.backlog)  # again: listen(2), only the backlog changes
            if has_other_umask and self._own_inode is not None and _inode(self.path) == self._own_inode:
                os.chmod(str(self.path), 0o777 & ~_effective_umask(self.umask))

    def clashes_with(self, other: CircusSocket) -> bool:
        """Tell whether one can't be bound while the other is; two that share by so_reuseport can."""
        if self.is_unix or other.is_unix:
            return self.is_unix and other.is_unix and self.path == other.path
        if (self.socktype, self.port) != (other.socktype, other.port) or not self.port:
            return False
        hosts = {self.host, other.host}
        is_same = len(hosts) == 1 or (self.family == other.family and bool(hosts & WILDCARDS))
        return is_same and not (self.is_per_worker and other.is_per_worker)

    def close(self) -> None:
        """Close; remove a unix path if this object bound it and nobody has replaced it since."""
        if self._own_inode is not None and _inode(self.path) == self._own_inode:
            with suppress(OSError):  # it went just now, or its folder may not be written to any more
                os.unlink(str(self.path))
        self._own_inode = None
        super().close()

    def dup(self) -> Self:
        """Return a second descriptor of the same socket, inheritable; it owns no path."""
        copy = type(self)(**self._settings(), fileno=os.dup(self.fileno()))
        copy.host, copy.port, copy.is_bound = self.host, self.port, self.is_bound
        copy.set_inheritable(True)
        return copy

    def renew(self) -> Self:
        """Return another socket with the same settings, not bound. The host is not looked up again."""
        return type(self)(**self._settings())

    def _settings(self) -> dict[str, Any]:
        host, port = (None, None) if self.is_unix else _host_and_port(self._address)
        return {
            "name": self.name,
            "host": host,
            "port": port,
            "family": self.family,
            "type": self.socktype,
            "proto": self.proto,
            "backlog": self.backlog,
            "path": self.path,
            "umask": self.umask,
            "replace": self.replace,
            "interface": self.interface,
            "so_reuseport": self.so_reuseport,
            "blocking": self.blocking,
        }

    def _resolve(self, host: str | None, port: int | None, family: int) -> Any:
        """Return what bind() wants: a path, or an address of this family and no other."""
        if self.is_unix:
            if not self.path:
                raise SocketError(f"socket {self.name!r}: family AF_UNIX needs a path")
            return self.path
        if not host:
            raise SocketError(
                f"socket {self.name!r}: host must not be empty; write 0.0.0.0 for every interface"
            )
        if port is None or not 0 <= port <= 65535:
            raise SocketError(f"socket {self.name!r}: port must be 0 to 65535, got {port!r}")
        if host.lower() == "localhost":  # RFC 6761, 6.3; many machines lack the IPv6 one in /etc/hosts
            host = LOOPBACK.get(family, host)
        try:
            return socket.getaddrinfo(host, port, family)[0][4]
        except (OSError, UnicodeError) as error:
            wanted = socket.AddressFamily(family).name
            raise SocketError(
                f"socket {self.name!r}: host {host!r} has no {wanted} address; set another host or family"
            ) from error

    def _set_options(self) -> None:
        try:
            with self._people_errors():
                self.set_inheritable(True)
                self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if self.is_per_worker:
                    self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if self.interface is not None and not self.is_unix:
                    self._bind_to_device(self.interface)
        except SocketError:
            super().close()
            raise

    def _bind_to_device(self, interface: str) -> None:
        try:
            self.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode() + b"\0")
        except OSError as error:
            reason = _lower(os.strerror(error.errno or 0))
            raise SocketError(
                f"socket {self.name!r}: interface {interface!r}: {reason}; it must be a network device, "
                "which only Linux can bind to, as root or with CAP_NET_RAW"
            ) from error

    def _bind_path(self) -> None:
        path = str(self.path)
        if self.replace and _inode(path) is not None:
            os.unlink(path)
        with _umask(self.umask):
            self.bind(path)
        self._own_inode = _inode(path)  # the kernel keeps the inode, and so its number, while we are open

    def bind_only(self) -> None:
        """Bind an internet address, so that nobody can connect yet; raises SocketError."""
        with self._people_errors():
            self.bind(self._address)

    def _learn_port(self) -> None:
        if not self.is_unix and self.socktype != socket.SOCK_RAW:
            self.host, self.port = self.getsockname()[:2]

    @contextmanager
    def _people_errors(self) -> Iterator[None]:
        """Turn what the system calls say into a sentence."""
        try:
            yield
        except OSError as error:
            raise SocketError(f"socket {self.name!r}: {self.location}{self._explain(error)}") from error

    def _explain(self, error: OSError) -> str:
        if self.is_unix and error.errno == errno.EADDRINUSE:
            return " already exists; set replace = True if only circus uses it"
        if error.errno is None:  # raised by Python: the text does not fit into sockaddr_un, unix(7)
            return ": path is too long; choose one of at most 107 bytes"
        way_out = self._way_out(error.errno)
        return f": {_lower(os.strerror(error.errno))}" + (f"; {way_out}" if way_out else "")

    def _way_out(self, number: int) -> str:
        if number in (errno.EACCES, errno.EPERM):
            return self._needed_right()
        if number == errno.ENOENT and self.is_unix:
            return "make the folder first"
        if number in (errno.ESOCKTNOSUPPORT, errno.EPROTONOSUPPORT):
            return "this machine has no such combination of family, type and proto"
        return WAY_OUT.get(number, "")

    def _needed_right(self) -> str:
        if self.is_unix:
            return "the user of the daemon must be allowed to write to the folder"
        if self.socktype == socket.SOCK_RAW:
            return "raw sockets need root or CAP_NET_RAW"
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE"


class Sockets(Mapping[str, CircusSocket]):
    """The sockets of an arbiter by name, in any case; owns and closes them.

    Raises:
        SocketError: one of them can't be made; none is left open.
    """

    def __init__(self, sockets: Iterable[CircusSocket | SocketConfig] = ()) -> None:
        self._sockets: dict[str, CircusSocket] = {}
        self._leaving: list[CircusSocket] = []
        try:
            for each in sockets:
                self.add(each)
        except BaseException:
            self.close_all()
            raise

    def __getitem__(self, name: str) -> CircusSocket:
        return self._sockets[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sockets)

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, new: CircusSocket | SocketConfig) -> CircusSocket:
        """Take one more, not bound yet; raises AlreadyExistError or SocketError."""
        name = new.name.lower()
        if name in self._sockets:
            raise AlreadyExistError(f"socket {name!r} already exists")
        self._sockets[name] = new if isinstance(new, CircusSocket) else CircusSocket.load_from_config(new)
        return self._sockets[name]

    def remove(self, name: str) -> None:
        """Close and forget one; raises SocketError for an unknown name."""
        self._known(name).close()
        del self._sockets[name.lower()]

    def exchange(self, name: str, new: CircusSocket | None) -> CircusSocket | None:
        """Put another socket, or none, in the place of one; the old one stays open until it is dismissed."""
        old = self._sockets.pop(name.lower(), None)
        if new is not None:
            self._sockets[name.lower()] = new
        if old is not None:
            self._leaving.append(old)
        return old

    def dismiss(self, old: CircusSocket) -> None:
        """Close one that was exchanged."""
        if old in self._leaving:
            self._leaving.remove(old)
        old.close()

    def release_all(self) -> dict[str, CircusSocket]:
        """Hand all of them over to the caller, who closes them."""
        handed, self._sockets = self._sockets, {}
        return handed

    def bind_all(self) -> None:
        """Bind every socket that is neither bound nor made per worker; all or none.

        Raises:
            SocketError: one could not be bound. Those bound by this call are closed, their paths removed,
                and new ones, not bound, are in their place: the call can be repeated.
        """
        tried: list[str] = []
        try:
            for name, each in self._sockets.items():
                if not each.is_bound and not each.is_per_worker:
                    tried.append(name)
                    each.bind_and_listen()
        except SocketError:
            self.release(tried)
            raise

    def release(self, names: Iterable[str]) -> None:
        """Close these and put new ones, not bound, in their place."""
        for name in list(names):
            old = self._known(name)
            old.close()
            self._sockets[name.lower()] = old.renew()

    def close_all(self) -> None:
        """Close and forget all of them; unix paths bound here are removed."""
        while self._leaving:
            self._leaving.pop().close()
        while self._sockets:
            self._sockets.popitem()[1].close()

    def try_shared_addresses(self) -> None:
        """Make sure that so_reuseport sockets can be bound, without listening; raises SocketError."""
        for each in self._sockets.values():
            if each.is_per_worker:
                with each.renew() as trial:
                    trial.bind_only()

    def fileno(self, name: str) -> int:
        """Return the descriptor; raises SocketError for an unknown name."""
        return self._known(name).fileno()

    def fresh(self, name: str) -> CircusSocket:
        """Return a socket for one process; the caller closes it once the process is spawned.

        With so_reuseport it is a new one, bound and listening. Otherwise, or where the platform lacks that
        option, it is one more descriptor of the shared socket.

        Raises:
            SocketError: the name is unknown or the address can't be bound.
        """
        shared = self._known(name)
        if not shared.is_per_worker:
            return shared.dup()
        new = shared.renew()
        try:
            new.bind_and_listen()
        except SocketError:
            new.close()
            raise
        return new

    def listing(self) -> list[dict[str, int | str | None]]:
        """Return what `listsockets` shows, sorted by descriptor."""
        return [_listed(each) for each in sorted(self._sockets.values(), key=CircusSocket.fileno)]

    def _known(self, name: str) -> CircusSocket:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(sorted(self._sockets)) or "none"
            raise SocketError(f"no socket {name!r}; known: {known}") from None


class ConnectionWatch:
    """Waits until a client knocks at one of some sockets; one per on-demand watcher.

    It waits on duplicates of the descriptors, because the loop takes one reader per descriptor and several
    watchers may wait for the same socket. Readiness is level-triggered: a connection that nobody has accepted
    yet is reported at once by the next watch().
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sockets: Mapping[str, CircusSocket]) -> None:
        self._loop = loop
        self._sockets = sockets
        self._descriptors: list[int] = []

    @property
    def is_armed(self) -> bool:
        return bool(self._descriptors)

    def watch(self, names: Iterable[str], callback: Callable[[], None]) -> None:
        """Call `callback` on the loop, once, when one of these is readable; replaces an earlier watch.

        Sockets that are not bound (so_reuseport) can't be waited for and are left out.

        Raises:
            SocketError: none of them is bound, or no descriptor is free.
        """
        self.cancel()
        names = list(names)
        bound = [
            self._sockets[name] for name in names if name in self._sockets and self._sockets[name].is_bound
        ]
        if not bound:
            asked = ", ".join(map(repr, names)) or "none"
            raise SocketError(f"on_demand needs a bound socket without so_reuseport, got {asked}")
        try:
            for each in bound:
                self._arm(each, callback)
        except OSError as error:
            self.cancel()
            raise SocketError(f"can't wait for connections: {_lower(str(error.strerror))}") from error

    def cancel(self) -> None:
        """Wait no longer; harmless when nothing is waited for."""
        while self._descriptors:
            descriptor = self._descriptors.pop()
            self._loop.remove_reader(descriptor)  # before close: epoll(7) Q6, the socket itself lives on
            os.close(descriptor)

    def _arm(self, each: CircusSocket, callback: Callable[[], None]) -> None:
        descriptor = os.dup(each.fileno())
        self._descriptors.append(descriptor)
        self._loop.add_reader(descriptor, self._knocked, callback)

    def _knocked(self, callback: Callable[[], None]) -> None:
        self.cancel()
        callback()


def _listed(each: CircusSocket) -> dict[str, int | str | None]:
    entry: dict[str, int | str | None] = {"fd": each.fileno(), "name": each.name, "backlog": each.backlog}
    return entry | ({"path": each.path} if each.is_unix else {"host": each.host, "port": each.port})


def _host_and_port(address: Any) -> tuple[str, int]:
    """Return an AF_INET or AF_INET6 address as constructor arguments; a scope (fe80::1%eth0) is kept."""
    scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
    return f"{address[0]}{scope}", address[1]


def _constant(name: str, option: str, value: str, allowed: tuple[str, ...]) -> int:
    if value.upper() not in allowed:
        raise SocketError(f"socket {name!r}: {option} must be one of {', '.join(allowed)}, got {value!r}")
    return int(getattr(socket, value.upper()))


def _protocol(name: str, proto: str | None) -> int:
    """Return the number of a protocol; the common ones need no /etc/protocols."""
    if not proto:
        return 0
    if proto.isdecimal():
        return int(proto)
    known = getattr(socket, f"IPPROTO_{proto.upper()}", None)
    if known is not None:
        return int(known)
    try:
        return socket.getprotobyname(proto)
    except OSError:
        raise SocketError(
            f"socket {name!r}: proto must be a protocol such as tcp, udp or icmp, got {proto!r}"
        ) from None


def _effective_umask(umask: int | None) -> int:
    if umask is not None:
        return umask
    own = os.umask(0o077)  # there is no other way to read it: umask(2)
    os.umask(own)
    return own


@contextmanager
def _umask(umask: int | None) -> Iterator[None]:
    if umask is None:
        yield
        return
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


def _inode(path: str | None) -> tuple[int, int] | None:
    """Return device and inode of what lies at `path`, symbolic links not followed; None for nothing.

    An abstract address (it starts with NUL, unix(7)) has no file.
    """
    if path is None or path.startswith("\0"):
        return None
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
