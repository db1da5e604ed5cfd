"""Who may talk to the daemon: told apart by user as the system knows it, or by the keys that they show.

Each new connection is put to the Gatekeeper by libzmq (ZAP, RFC 27) before a byte of it counts, which also
makes libzmq refuse the first two versions of its protocol, whose frames a web browser can be made to send.

For ipc the peer's uid comes with the question (SO_PEERCRED), with CURVE its public key. For plain tcp nothing
does, so two facts are joined:
- at the question: who is connected to our port, and whose they are (circus_core.access.connections). If none
  of them may talk to us the peer is refused, else it is let in for now with this list as its user id.
- at its first message: the peer's own socket, which the message names. Its inode must be on that list. As the
  socket was open when the list was made, a descriptor that was closed and used again since is not mistaken
  for it.

Who connects to plain tcp and says nothing is looked up after a moment, and cut off if it may not talk.

A key that is revoked counts no more from the next look on: its messages are dropped and its connections cut.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Final

import zmq

from circus_core.access.connections import Tables, can_tell
from circus_core.access.doorstep import Cutter, Doorstep, descriptor_of, inode_of
from circus_core.access.identity import Identity, Role
from circus_core.access.keyring import AdmittedKeys
from circus_core.errors import EndpointError
from circus_core.port import Port
from circus_core.records import dataclass
from circus_core.workers import Workers

__all__ = ["Gatekeeper"]

_ADDRESS: Final = "inproc://zeromq.zap.01"


@dataclass(frozen=True, slots=True)
class _Connection:
    """A tcp connection whose client is known."""

    descriptor: int
    inode: int
    identity: Identity

    def is_open(self) -> bool:
        return self.inode != -1 and inode_of(self.descriptor) == self.inode


@dataclass(frozen=True, slots=True)
class _Question:
    """A peer of a plain tcp port that waits for an answer."""

    frames: list[bytes]
    was_looked_at: bool = False


class Gatekeeper:
    """Lets peers in and tells who sent a message. Belongs to the loop's thread.

    Answers for all guarded sockets of one ZeroMQ context, which can have only one such handler. A guarded
    socket is on ipc unless one of `ask_for_users`, `ask_for_keys` and `ask_nobody` has been called for its
    domain before a peer comes.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        *,
        roles: Mapping[int, Role],
        keys: AdmittedKeys,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Bind the handler; from now on it has to be closed.

        Args:
            roles: by the user ids that are let in.
            keys: those that are let in where keys are asked for.
        """
        self._roles = dict(roles)
        self._keys = keys
        self._context = context
        self._loop = loop
        self._seal = os.urandom(16).hex()  # marks the user ids that we gave
        self._numbers = itertools.count(1)
        self._ports: dict[bytes, int] = {}
        self._keyed: set[bytes] = set()
        self._version = 0  # of the admitted keys, when connections were last compared with them
        self._open: set[bytes] = set()
        self._connections: dict[str, _Connection] = {}
        self._doorsteps: dict[str, Doorstep] = {}
        self._waiting: list[_Question] = []
        self._has_silent = False
        self._unknown: set[int] = set()  # inodes of the silent ones who could not be told last time
        self._cutter = _cutter()
        self._tables = Tables()
        self._scan: asyncio.Task[None] | None = None
        self._workers = Workers(limit=4)
        socket = context.socket(zmq.ROUTER)
        socket.bind(_ADDRESS)
        self._port = Port(socket, self._on_question, loop=loop)

    def guard(self, socket: zmq.Socket[bytes], domain: str) -> None:
        """Make libzmq ask about every peer of a socket; before it is bound."""
        socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # refuse peers if nobody answers

    def watch(self, socket: zmq.Socket[bytes], domain: str, *, limit: int | None) -> None:
        """Keep strangers from taking all descriptors with connections; before a tcp socket is bound.

        Args:
            limit: of connections that say nothing; None where those of strangers are found out.
        """
        self._doorsteps[domain] = Doorstep(
            self._context,
            socket,
            name=domain,
            limit=limit,
            cutter=self._cutter,
            loop=self._loop,
            on_silence=self._look_at_silent,
        )

    def ask_for_users(self, domain: str, port: int) -> None:
        """Tell the peers of a tcp port apart by their users.

        Raises:
            EndpointError: this system does not tell whose a tcp connection is.
        """
        if not can_tell():
            raise EndpointError(
                f"can't use tcp port {port}: without /proc/net/tcp nobody could be told from the owner; "
                "use ipc://PATH, or auth = curve with keys from 'circusctl keys make'"
            )
        self._ports[domain.encode()] = port

    def ask_for_keys(self, domain: str) -> None:
        """Tell peers apart by their keys; the socket is a CURVE server."""
        self._keyed.add(domain.encode())

    def ask_nobody(self, domain: str) -> None:
        """Let everybody in who speaks a version of the protocol that a browser can't."""
        self._open.add(domain.encode())

    def identify(self, frame: zmq.Frame) -> Identity | None:
        """Return who sent a message, None if it is nobody who may."""
        user_id = _text_property(frame, "User-Id")
        seal, _, rest = user_id.partition(" ")
        if seal != self._seal:
            return None
        transport, _, detail = rest.partition(" ")
        if transport == "ipc":
            uid, _, pid = detail.partition(" ")
            return Identity(role=self._roles[int(uid)], transport="ipc", uid=int(uid), pid=int(pid))
        if transport == "open":
            return Identity()
        if transport == "key":
            return self._identify_key(user_id, detail.partition(" ")[2], frame)
        known = self._connections.get(user_id)
        return known.identity if known is not None else self._recognize(user_id, detail, frame)

    def cut_revoked(self) -> None:
        """Have the list of admitted keys looked at, and end the connections of keys that are gone from it."""
        if not self._keyed:
            return
        self._keys.refresh()
        if self._keys.version != self._version:
            self._version = self._keys.version
            self._cut_revoked()

    def close(self) -> None:
        """Stop answering; the guarded sockets are closed before."""
        if self._scan is not None:
            self._scan.cancel()
        for doorstep in self._doorsteps.values():
            doorstep.close()
        self._port.close()
        self._workers.close()
        self._tables.close()
        self._cutter.close()

    def _on_question(self, frames: list[zmq.Frame]) -> None:
        question = [frame.bytes for frame in frames]
        if len(question) < 8 or question[2] != b"1.0":
            return
        domain, address = question[4], question[5]
        if domain in self._ports:
            self._waiting.append(_Question(question))
            self._start_scan()
        elif domain in self._keyed:
            self._answer(question, self._key_user_id(question[7], question[8:]))
        elif domain in self._open:
            self._answer(question, f"{self._seal} open")
        else:
            self._answer(question, self._ipc_user_id(address.decode(errors="replace")))

    def _ipc_user_id(self, address: str) -> str:
        """Return the user id for a peer at `localhost:UID:GID:PID`, empty to refuse it."""
        _, *numbers = address.rsplit(":", 3)
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            return ""
        uid, _, pid = numbers
        return f"{self._seal} ipc {uid} {pid}" if int(uid) in self._roles else ""

    # Keys

    def _key_user_id(self, mechanism: bytes, credentials: Sequence[bytes]) -> str:
        """Return the user id for a peer that has proved to own the key it showed, empty to refuse it."""
        self.cut_revoked()
        self._forget_closed()
        if mechanism != b"CURVE" or len(credentials) != 1:
            return ""
        key = credentials[0].hex()
        return f"{self._seal} key {next(self._numbers)} {key}" if self._keys.find(key) else ""

    def _identify_key(self, user_id: str, key: str, frame: zmq.Frame) -> Identity | None:
        self.cut_revoked()
        admission = self._keys.find(key)
        known = self._connections.get(user_id)
        if known is None:
            descriptor = descriptor_of(frame)
            identity = Identity(key=key)
            self._has_spoken(descriptor)
            known = self._connections[user_id] = _Connection(descriptor, inode_of(descriptor), identity)
        if admission is None:
            self._cutter.cut(known.descriptor, known.inode)
            return None
        return Identity(role=admission.role, key=key, name=admission.name)

    def _cut_revoked(self) -> None:
        for known in self._connections.values():
            key = known.identity.key
            if key is not None and self._keys.find(key) is None:
                self._cutter.cut(known.descriptor, known.inode)

    # Users on tcp

    def _start_scan(self) -> None:
        if self._scan is None or self._scan.done():
            self._scan = self._loop.create_task(self._answer_waiting(), name="circus peers")

    async def _answer_waiting(self) -> None:
        """Read the tables once for all who asked before the reading began, until nobody waits."""
        while self._waiting or self._has_silent:
            questions, self._waiting = self._waiting, []
            self._has_silent = False
            clients = await self._workers.run(self._tables.clients, set(self._ports.values()))
            for question in questions:
                self._decide(question, clients[self._ports[question.frames[4]]])
            self._cut_strangers(clients)

    def _decide(self, question: _Question, clients: Mapping[int, int | None]) -> None:
        """Answer; no is said only after a second reading, since one misses some when many come and go."""
        user_id = self._tcp_user_id(clients)
        if user_id or question.was_looked_at:
            self._answer(question.frames, user_id)
        else:
            self._waiting.append(_Question(question.frames, was_looked_at=True))

    def _look_at_silent(self) -> None:
        if self._ports:
            self._has_silent = True
            self._start_scan()

    def _cut_strangers(self, clients: Mapping[int, Mapping[int, int | None]]) -> None:
        """End the connections of those who may not talk and have not tried to."""
        before, self._unknown = self._unknown, set()
        for domain, port in self._ports.items():
            doorstep = self._doorsteps[domain.decode()]
            for descriptor, inode in list(doorstep.waiting.items()):
                uid = clients[port].get(inode)
                if uid in self._roles:
                    doorstep.leave(descriptor)
                elif uid is not None or inode in before:
                    self._cutter.cut(descriptor, inode)
                else:
                    self._unknown.add(inode)

    def end(self, descriptor: int, inode: int) -> None:
        """End a connection, if it is still open."""
        self._cutter.cut(descriptor, inode)

    def _has_spoken(self, descriptor: int) -> None:
        for doorstep in self._doorsteps.values():
            doorstep.leave(descriptor)

    def _tcp_user_id(self, clients: Mapping[int, int | None]) -> str:
        """Return the user id for a peer that is one of `clients`, empty if none can be let in."""
        self._forget_closed()
        recognized = {connection.inode for connection in self._connections.values()}
        possible = [
            f"{inode}:{uid}"
            for inode, uid in clients.items()
            if uid in self._roles and inode not in recognized
        ]
        return f"{self._seal} tcp {next(self._numbers)} {','.join(possible)}" if possible else ""

    def _recognize(self, user_id: str, detail: str, frame: zmq.Frame) -> Identity | None:
        descriptor = descriptor_of(frame)
        inode = inode_of(descriptor)
        pairs = (pair.partition(":") for pair in detail.partition(" ")[2].split(","))
        for candidate, _, uid in pairs:
            if int(candidate) == inode:
                identity = Identity(role=self._roles[int(uid)], uid=int(uid))
                self._connections[user_id] = _Connection(descriptor, inode, identity)
                self._has_spoken(descriptor)
                return identity
        return None

    def _forget_closed(self) -> None:
        gone = [user_id for user_id, known in self._connections.items() if not known.is_open()]
        for user_id in gone:
            del self._connections[user_id]

    def _answer(self, question: Sequence[bytes], user_id: str) -> None:
        verdict = [b"200", b"OK", user_id.encode()] if user_id else [b"400", b"not allowed", b""]
        self._port.send([*question[:2], b"1.0", question[3], *verdict, b""])


def _cutter() -> Cutter:
    try:
        return Cutter()
    except OSError as error:  # no descriptor is left
        raise EndpointError(f"can't open the endpoints: {(error.strerror or str(error)).lower()}") from error


def _text_property(frame: zmq.Frame, name: str) -> str:
    try:
        value = frame.get(name)
    except zmq.ZMQError:  # the connection has no such property
        return ""
    return value if isinstance(value, str) else ""
