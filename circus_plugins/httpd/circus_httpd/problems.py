"""What went wrong, as an HTTP answer (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from circus_core import CallError, CallTimeoutError, ConnectionLostError, RefusedError, UnreachableError

__all__ = ["Problem", "problem_of"]

_UNKNOWN_COMMAND = 2
_BAD_MESSAGE = 3
_SYSTEM = 4


class Problem(Exception):
    """Ends a request with a status; the detail is for people."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        """Write a header `Retry-After` as `Retry_After`."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def to_json(self) -> dict[str, Any]:
        return {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.detail}


def problem_of(error: CallError) -> Problem:
    """Return what a call to a daemon that went wrong means to who asked us for it."""
    if isinstance(error, (ConnectionLostError, UnreachableError)):
        return Problem(503, str(error))
    if isinstance(error, CallTimeoutError):
        return Problem(504, f"{error}. It may still be carried out")
    if isinstance(error, RefusedError):
        return Problem(_status_of(error), str(error))
    return Problem(502, str(error))


def _status_of(error: RefusedError) -> int:
    if error.errno == _UNKNOWN_COMMAND:
        return 501
    if error.errno == _BAD_MESSAGE:
        is_missing = str(error).startswith(("program ", "process ")) and "not found" in str(error)
        return 404 if is_missing else 422
    return 422 if error.errno == _SYSTEM else 409
