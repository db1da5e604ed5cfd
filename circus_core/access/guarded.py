"""Sockets that let in only who may: those of the daemon, and those that an add-on opens by the same rules."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import zmq

from circus_core import wire
from circus_core.access import endpoints, keys
from circus_core.access.audience import Audience, Portions
from circus_core.access.auth import Gatekeeper
from circus_core.access.doorstep import descriptor_of, inode_of
from circus_core.access.identity import Identity, Role
from circus_core.access.keyring import AdmittedKeys, KeyPair, Keyring
from circus_core.accounts import to_uid
from circus_core.config.model import ArbiterConfig
from circus_core.errors import EndpointError, KeysError
from circus_core.port import Port
from circus_core.workers import Workers

__all__ = ["EventSocket", "GuardedPublisher", "GuardedSockets"]

log = logging.getLogger("circus")

_EVENT_QUEUE: Final = 10_000  # messages that libzmq holds for a subscriber
_BACKLOG: Final = 4096  # connections that are not accepted yet: more than come while we are busy
_HANDSHAKE: Final = 10_000  # milliseconds that a peer may take to say who it is
_SILENT_LIMIT: Final = 512  # connections that have not shown a key yet
_LONGEST_TOPIC: Final = 1024  # bytes; who subscribes to a longer beginning is disconnected
_LINGER: Final = 1000  # milliseconds for the last message to leave


class GuardedSockets:
    """ZeroMQ sockets of one context with a gatekeeper in front of all of them. Belongs to the loop's thread.

    They have a context of their own, because whoever answers libzmq's questions about peers answers them for
    a whole context, and because its end is how endpoints become free at once.
    """

    def __init__(self, config: ArbiterConfig, *, loop: asyncio.AbstractEventLoop) -> None:
        """Bind nothing yet; from now on it has to be closed.

        Args:
            config: says who may: auth, keys, endpoint_owner, allow_full, allow_read.

        Raises:
            EndpointError: a user does not exist.
        """
        self._config = config
        self._loop = loop
        self._keyring = Keyring(keys.key_folder(config.keys))
        self._ports: list[Port] = []
        self._bound: list[endpoints.BoundEndpoint] = []
        self._pairs: set[KeyPair] = set()  # our own, where keys are asked for
        self._published: list[str] = []  # in the list of known servers, and to be taken back
        roles = roles_of_users(config)
        self._is_shared = bool(config.allow_full or config.allow_read)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gatekeeper = Gatekeeper(
            self._context, roles=roles, keys=AdmittedKeys(str(self._keyring.folder)), loop=loop
        )

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        """Return a new socket; its options are set before it goes to `open`."""
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_MESSAGE)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE)
        socket.setsockopt(zmq.BACKLOG, _BACKLOG)
        return socket

    def open(self, socket: zmq.Socket[bytes], endpoint: str) -> endpoints.BoundEndpoint:
        """Bind a socket so that only who may gets in.

        Raises:
            EndpointError: it can't be bound, or nobody could be told from others there.
        """
        domain = f"circus-{len(self._bound)}"
        self._gatekeeper.guard(socket, domain)
        pair = self._lock(socket, endpoint, domain)
        if endpoint.startswith("tcp://") and self._config.auth != "none":
            self._gatekeeper.watch(socket, domain, limit=None if pair is None else _SILENT_LIMIT)
        owner = self._config.endpoint_owner
        bound = endpoints.bind(socket, endpoint, owner=owner, is_shared=self._is_shared)
        self._bound.append(bound)
        if bound.port is not None:
            self._note(bound, pair, is_passing=endpoint.endswith((":*", ":0")))
        if bound.port is not None and pair is None and self._config.auth != "none":
            if not bound.is_local():  # its name meant something else a moment ago
                raise EndpointError(self._no_keys(endpoint))
            self._gatekeeper.ask_for_users(domain, bound.port)
        return bound

    def read(
        self, socket: zmq.Socket[bytes], on_message: Callable[[list[zmq.Frame]], None], **options: Any
    ) -> Port:
        """Read a socket until all are closed; `options` are those of Port."""
        port = Port(socket, on_message, loop=self._loop, **options)
        self._ports.append(port)
        return port

    def identify(self, frame: zmq.Frame) -> Identity | None:
        """Return who sent a message, None if it is nobody who may."""
        return self._gatekeeper.identify(frame)

    def end(self, descriptor: int, inode: int) -> None:
        """End a connection, if it is still open."""
        self._gatekeeper.end(descriptor, inode)

    def has_current_keys(self) -> bool:
        """Tell whether our own keys are still those in the folder of keys, as far as there are any."""
        try:
            return all(self._keyring.server() == pair for pair in self._pairs)
        except KeysError:
            return False

    def cut_revoked(self) -> None:
        """End the connections of revoked keys; costs a stat(2) where keys are asked for."""
        self._gatekeeper.cut_revoked()

    def abandon(self) -> None:
        """Close everything at once, without waiting for what was sent."""
        self._close_sockets(linger=0)
        self._context.destroy(linger=0)

    async def close(self) -> None:
        """Close everything, after what was sent has left or a second is over."""
        self._close_sockets(linger=_LINGER)
        workers = Workers(limit=1)
        await workers.run(self._context.term)
        workers.close()

    def _lock(self, socket: zmq.Socket[bytes], endpoint: str, domain: str) -> KeyPair | None:
        """Make a socket ask for keys, or nobody, as `auth` says; returns the pair if it is keys."""
        auth = self._config.auth
        if not endpoint.startswith("tcp://"):
            return None
        if auth == "none":
            self._gatekeeper.ask_nobody(domain)
            log.warning("auth = none: whoever can reach %s is let in and not asked who they are", endpoint)
            return None
        if auth == "auto" and endpoints.is_local_tcp(self._context, endpoint):
            return None
        pair = self._server_pair(endpoint)
        self._pairs.add(pair)
        self._gatekeeper.ask_for_keys(domain)
        socket.curve_server = 1
        socket.curve_secretkey = bytes.fromhex(pair.secret)
        return pair

    def _server_pair(self, endpoint: str) -> KeyPair:
        try:
            self._keyring.admitted()
            pair = self._keyring.server()
        except KeysError as error:
            raise EndpointError(f"can't use endpoint {endpoint}: {error}") from error
        if pair is None:
            raise EndpointError(self._no_keys(endpoint))
        return pair

    def _no_keys(self, endpoint: str) -> str:
        why = "auth = curve" if self._config.auth == "curve" else "other machines can reach it"
        return (
            f"can't use endpoint {endpoint}: it needs keys to tell who may use it ({why}), there are none "
            f"in {self._keyring.folder}; run 'circusctl keys make', or use tcp://127.0.0.1:PORT or ipc://PATH"
            f"{'' if why.startswith('auth') else ', or write auth = none to let everybody in'}"
        )

    def _note(self, bound: endpoints.BoundEndpoint, pair: KeyPair | None, *, is_passing: bool) -> None:
        """Tell clients of this user whether this endpoint asks for keys: they look before they connect.

        Args:
            is_passing: the port was chosen by the system, and means nothing once this is closed. What else is
                noted stays, for clients that start before the next daemon does.
        """
        try:
            if pair is None:
                self._keyring.forget(bound.address)
            else:
                self._keyring.trust(bound.address, pair.public, note=keys.RUNNING)
                if is_passing:
                    self._published.append(bound.address)
        except KeysError as error:
            log.warning("clients will not find the key for %s by themselves: %s", bound.address, error)

    def _close_sockets(self, *, linger: int) -> None:
        for port in self._ports:
            port.close(linger=linger)
        self.remove_traces()
        self._gatekeeper.close()

    def remove_traces(self) -> None:
        """Delete socket files and what notes our keys; for any thread, when the program is to end."""
        for bound in self._bound:
            bound.remove_file()
        for address in self._published:
            try:
                self._keyring.forget(address)
            except KeysError as error:
                log.warning("%s", error)


class EventSocket:
    """Publishes to those subscribers who may listen. Belongs to the loop's thread.

    Attributes:
        audience: what is listened to.
    """

    def __init__(
        self,
        sockets: GuardedSockets,
        endpoint: str,
        *,
        queue: int = _EVENT_QUEUE,
    ) -> None:
        """Bind at once; `sockets` closes it.

        Args:
            queue: messages that are held for a subscriber who is slow.

        Raises:
            EndpointError: it can't be bound.
        """
        self._sockets = sockets
        self.audience = Audience()
        self._portions = Portions()
        socket = sockets.socket(zmq.XPUB)
        socket.setsockopt(zmq.XPUB_MANUAL, 1)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.setsockopt(zmq.SNDHWM, queue)
        socket.setsockopt(zmq.MAXMSGSIZE, _LONGEST_TOPIC + 1)
        self.bound = sockets.open(socket, endpoint)
        self._port = sockets.read(socket, self._on_subscription)

    @property
    def address(self) -> str:
        """The endpoint, with the port that the system chose."""
        return self.bound.address

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send to all subscribers; False if some did not keep up, to whom it was not sent."""
        self._sockets.cut_revoked()
        if self._port.send(frames):
            return True
        socket = self._port.socket
        socket.setsockopt(zmq.XPUB_NODROP, 0)  # the others must not suffer
        self._port.send(frames)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        return False

    def _on_subscription(self, frames: list[zmq.Frame]) -> None:
        """Subscribe a peer to what it asks for, or end that: subscriptions count only if we confirm them."""
        frame = frames[0]
        prefix, identity = frame.bytes[1:], self._sockets.identify(frame)
        match frame.bytes[:1]:
            case b"\0":
                self._port.socket.setsockopt(zmq.UNSUBSCRIBE, prefix)
                self._end_subscription(frame, prefix, identity)
            case b"\1" if identity is not None and self._is_modest(frame, prefix):
                self._port.socket.setsockopt(zmq.SUBSCRIBE, prefix)
                self.audience.join(prefix)
            case b"\1":
                self.audience.refuse(prefix)
        self._port.check()

    def _is_modest(self, frame: zmq.Frame, prefix: bytes) -> bool:
        """Count what the peer subscribes to; if that is too much, end the connection and return False."""
        descriptor = descriptor_of(frame)
        connection = (descriptor, inode_of(descriptor))
        if self._portions.take(connection, prefix, _is_open):
            return True
        self._sockets.end(*connection)
        return False

    def _end_subscription(self, frame: zmq.Frame, prefix: bytes, identity: Identity | None) -> None:
        """Count the end of a subscription, unless it can't be told from a lie that would silence others."""
        descriptor = descriptor_of(frame)
        self._portions.give_back((descriptor, inode_of(descriptor)), prefix)
        if not _has_sender(frame):
            self.audience.leave(prefix)
        elif identity is None:
            self.audience.leave_refused(prefix)
        elif identity.role == "full":
            self.audience.leave(prefix, is_told=True)


def _is_open(connection: tuple[int, int]) -> bool:
    descriptor, inode = connection
    return inode_of(descriptor) == inode


def _has_sender(frame: zmq.Frame) -> bool:
    """Tell whether a peer said this; libzmq itself says how the subscriptions of a lost connection end."""
    return _has(frame, "User-Id") or _has(frame, "Socket-Type")


def _has(frame: zmq.Frame, name: str) -> bool:
    try:
        return bool(frame.get(name))
    except zmq.ZMQError:
        return False


class GuardedPublisher:
    """A publishing endpoint of an add-on, with the same doors as those of the daemon.

    Who may listen is asked as for the daemon's events, by user, by key or not at all, as `config` says.
    Belongs to the thread of its loop; to be closed at the end.

    Attributes:
        endpoint: where subscribers connect; a port left to the system (`tcp://127.0.0.1:*`) is filled in.
        dropped: messages that subscribers lost because they did not keep up.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        config: ArbiterConfig | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Bind at once.

        Args:
            endpoint: `tcp://HOST:PORT` or `ipc://PATH`.
            config: the `[circus]` section, or one made of just auth, keys, endpoint_owner, allow_full and
                allow_read; its defaults let the own user and root in.
            loop: default: the running one.

        Raises:
            EndpointError: nothing is left open; the text says what to do about it.
        """
        self._sockets = GuardedSockets(config or ArbiterConfig(), loop=loop or asyncio.get_running_loop())
        self.dropped = 0
        try:
            self._events = EventSocket(self._sockets, endpoint)
        except zmq.ZMQError as error:  # no descriptor is left
            self._sockets.abandon()
            raise EndpointError(f"can't open {endpoint}: {str(error).lower()}") from error
        except BaseException:
            self._sockets.abandon()
            raise
        self.endpoint = self._events.address

    def publish(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Send a message to the subscribers of the beginning of its topic; never blocks.

        Args:
            payload: becomes a JSON object; TypeError or ValueError if it can't.
        """
        if not self._events.audience.wants(topic):
            return
        if not self._events.send([topic.encode(), json.dumps(payload).encode()]):
            self.dropped += 1

    async def close(self) -> None:
        """Close the endpoint, after what was sent has left or a second is over; it is free afterwards."""
        await self._sockets.close()


def roles_of_users(config: ArbiterConfig) -> dict[int, Role]:
    """Return what each user may do who may talk to the daemon at all; raises EndpointError."""
    roles: dict[int, Role] = {}
    for user in config.allow_read:
        roles[_uid("allow_read", user)] = "read"
    for user in config.allow_full:
        roles[_uid("allow_full", user)] = "full"
    if config.endpoint_owner is not None:
        roles[_owner_uid(config.endpoint_owner)] = "full"
    roles[0] = roles[os.geteuid()] = "full"
    return roles


def _uid(option: str, user: str | int) -> int:
    if isinstance(user, int):
        return user  # a number needs no entry in the list of users
    try:
        return to_uid(user)
    except ValueError:
        raise EndpointError(f"{option} must be users of this machine, got '{user}'") from None


def _owner_uid(owner: str) -> int:
    try:
        return pwd.getpwnam(str(owner)).pw_uid
    except KeyError:
        raise EndpointError(f"endpoint_owner must be a user of this machine, got '{owner}'") from None
