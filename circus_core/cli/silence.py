"""Why a daemon did not answer, as far as a plain connection tries can tell."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

__all__ = ["explain"]

_PATIENCE: Final = 0.5
"""Seconds for the connection."""

_TEXT: Final = """\
Timed out.

circusd did not answer within {timeout:g} seconds at
  {endpoint}
{reason}"""

_NOBODY: Final = "Nobody listens there: circusd does not run, or elsewhere; check --endpoint."
_SILENT: Final = """\
Something listens there, but says nothing. Either circusd does not let you in (run as its user, or with a key
that it admits: circusctl --help keys), or it is another program (check --endpoint), or what was asked for
takes longer (raise --timeout)."""
_BEHIND_SSH: Final = """\
The login at {server} works. Either circusd does not run over there, or listens elsewhere (check --endpoint),
or does not let that user in, or what was asked for takes longer (raise --timeout)."""


def explain(endpoint: str, timeout: float, server: str | None = None) -> str:
    """Return what to tell a user who got no answer; tries to connect for a moment.

    Args:
        endpoint: where the request went.
        timeout: seconds that were waited.
        server: the login behind which the endpoint is.
    """
    reason = _reason(endpoint) if server is None else _BEHIND_SSH.format(server=server)
    return _TEXT.format(timeout=timeout, endpoint=endpoint, reason=reason)


def _reason(endpoint: str) -> str:
    scheme, _, address = endpoint.partition("://")
    try:
        if scheme == "ipc":
            _try_file(address)
        else:
            _try_port(address)
    except (OSError, ValueError) as error:
        return _told(error)
    return _SILENT


def _try_file(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PATIENCE)
        probe.connect("\0" + path[1:] if path.startswith("@") else path)


def _try_port(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


def _told(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        return _NOBODY
    if number == errno.ENOENT:
        return "There is no such socket file: circusd does not run, or elsewhere; check --endpoint."
    if number in (errno.EACCES, errno.EPERM):
        return "You may not use that socket file: run as the user of circusd, or see endpoint_owner."
    text = os.strerror(number) if number else str(error)
    return f"It can't be reached ({text.lower()}): check --endpoint."
