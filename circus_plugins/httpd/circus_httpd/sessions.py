"""Who is logged in with a browser. Kept on disk, so that a restart logs nobody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from circus_httpd.tokens import Role, TokenFile

__all__ = ["Session", "Sessions"]

_MOST: Final = 100
_IDLE: Final = 3 * 86400.0
_LONGEST: Final = 30 * 86400.0
_COARSE: Final = 600.0
"""Seconds by which the time of last use may lag behind, so that not every request changes something."""


@dataclass(slots=True)
class Session:
    """One login.

    Attributes:
        key: hash of what is in the cookie, hexadecimal; the cookie itself is not kept.
        role: what it may do.
        proof: hash of the token that it was made with: another token ends it.
        made, used: seconds since the epoch.
    """

    key: str
    role: Role
    proof: str
    made: float
    used: float


class Sessions:
    """At most 100 of each role: the one that was not used for longest makes room.

    A session ends after 3 days without use, and after 30 days. A page that is open uses it.
    """

    def __init__(self, tokens: TokenFile, clock: Callable[[], float], kept: object = None) -> None:
        """`kept` is what `to_json` returned earlier; whatever else it is, nobody is logged in."""
        self._tokens = tokens
        self._clock = clock
        self._sessions = {session.key: session for session in _read(kept)}

    def begin(self, role: Role) -> str:
        """Return the cookie of a new session."""
        self._end_old()
        peers = [session for session in self._sessions.values() if session.role == role]
        if len(peers) >= _MOST:
            self.end(min(peers, key=lambda session: session.used))
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(_hash(cookie), role, self._proof(role), now, now)
        self._sessions[session.key] = session
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, and note that it is used. Raises StateError."""
        session = self._sessions.get(_hash(cookie))
        return session if session is not None and self.use(session) else None

    def use(self, session: Session) -> bool:
        """Note that a session is used; returns whether it has not ended. Raises StateError."""
        is_valid = self.is_valid(session)
        if is_valid and self._clock() - session.used > _COARSE:
            session.used = self._clock()
        return is_valid

    def is_valid(self, session: Session) -> bool:
        """Tell whether it has not ended, by logout, time or another token."""
        now = self._clock()
        return (
            session.key in self._sessions
            and now - session.used <= _IDLE
            and now - session.made <= _LONGEST
            and hmac.compare_digest(session.proof, self._proof(session.role))
        )

    def end(self, session: Session) -> None:
        self._sessions.pop(session.key, None)

    def csrf(self, session: Session) -> str:
        """Return what a page must send with what it changes: another site can't know it."""
        return hmac.new(
            self._tokens.read()[session.role].encode(), session.key.encode(), "sha256"
        ).hexdigest()

    def to_json(self) -> list[dict[str, Any]]:
        self._end_old()
        return [asdict(session) for session in self._sessions.values()]

    def _end_old(self) -> None:
        for session in list(self._sessions.values()):
            if not self.is_valid(session):
                self.end(session)

    def _proof(self, role: Role) -> str:
        return _hash(self._tokens.read()[role])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(kept: object) -> list[Session]:
    if not isinstance(kept, list):
        return []
    found = [_session(each) for each in kept if isinstance(each, Mapping)]
    return [session for session in found if session is not None]


def _session(kept: Mapping[str, Any]) -> Session | None:
    match kept:
        case {
            "key": str(key),
            "role": ("full" | "read") as role,
            "proof": str(proof),
            "made": float(made),
            "used": float(used),
        }:
            return Session(key, role, proof, made, used)
    return None
