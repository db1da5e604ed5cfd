"""Who somebody is: by token or by cookie."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from circus_httpd.attempts import Attempts
from circus_httpd.contract import Access
from circus_httpd.gate import Gate, Visitor
from circus_httpd.problems import Problem
from circus_httpd.sessions import Session, Sessions
from circus_httpd.tokens import Role, StateError, TokenFile

__all__ = ["Guard", "Identity"]

_SAFE: Final = ("GET", "HEAD")
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Identity:
    """Attributes:
    role: what they may do.
    session: of a browser; None for who shows a token with each request.
    token: the one that was shown; empty for a browser.
    """

    role: Role
    session: Session | None = None
    token: str = field(default="", repr=False)


class Guard:
    """Lets in or raises Problem. Belongs to the loop."""

    def __init__(self, tokens: TokenFile, sessions: Sessions, attempts: Attempts, gate: Gate) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._attempts = attempts
        self._gate = gate

    def identify(self, visitor: Visitor, headers: Mapping[str, str], cookie: str | None) -> Identity | None:
        """Return who sends a request; None: it does not say. Raises Problem 401, 429."""
        authorization = headers.get("Authorization")
        if authorization is not None:
            token = _bearer(authorization)
            return Identity(self.role_of(visitor, token), token=token)
        if cookie is None:
            return None
        try:
            session = self._sessions.find(cookie)
        except StateError as error:
            raise Problem(503, str(error)) from error
        return None if session is None else Identity(session.role, session)

    def role_of(self, visitor: Visitor, token: str) -> Role:
        """Return what a token is good for. Raises Problem: 401, it is not; 429, too many were not.

        The right one is always let in: it can't be guessed, and who sends wrong ones from the same address,
        such as another user of this machine, must not be able to lock its owner out.
        """
        try:
            role = self._tokens.role_of(token)
        except StateError as error:
            raise Problem(503, str(error)) from error
        if role is None:
            raise self._wrong_token(visitor.address)
        return role

    def _wrong_token(self, address: str) -> Problem:
        pause = self._attempts.pause(address)
        if pause:
            return Problem(
                429, f"too many wrong tokens: try again in {pause:.0f} s", Retry_After=str(int(pause) + 1)
            )
        self._attempts.failed(address)
        return Problem(
            401, "this token is not known; 'circushttpd token' prints the one", WWW_Authenticate="Bearer"
        )

    def check(
        self,
        identity: Identity | None,
        access: Access,
        method: str,
        visitor: Visitor,
        headers: Mapping[str, str],
    ) -> None:
        """Raise Problem 401 or 403 unless this identity may do what needs `access`."""
        if method not in _SAFE:
            self._gate.check_origin(visitor, headers)
        if access == "none":
            return
        if identity is None:
            raise Problem(
                401,
                "log in, or send the header 'Authorization: Bearer TOKEN'; 'circushttpd token' prints it",
                WWW_Authenticate="Bearer",
            )
        if access == "full" and identity.role != "full":
            raise Problem(403, "this needs the role full, and you have the role read")
        if method not in _SAFE and identity.session is not None:
            given = headers.get("X-CSRF-Token", "")
            if not hmac.compare_digest(given.encode(), self._sessions.csrf(identity.session).encode()):
                raise Problem(403, "the header X-CSRF-Token is missing or wrong; GET /api/session tells it")


def _bearer(authorization: str) -> str:
    if not authorization.lower().startswith(_BEARER):
        raise Problem(401, "the header Authorization must be 'Bearer TOKEN'", WWW_Authenticate="Bearer")
    return authorization[len(_BEARER) :].strip()
