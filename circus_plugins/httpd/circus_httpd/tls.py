"""The certificate of https, read anew when its files have changed."""

from __future__ import annotations

import logging
import os
import ssl
from typing import Final

from circus_core import CircusError

__all__ = ["CertificateError", "make_context"]

_logger = logging.getLogger("circus")

_Seen = tuple[tuple[int, int, int], ...]


class CertificateError(CircusError):
    """A certificate or its key can't be used; the text says which and why."""


def make_context(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """Return the context for a server; None without a certificate.

    Each new connection gets what the files hold then. While they can't be used, as when only one of them is
    renewed yet, it gets what they held before.

    Args:
        certificate, key: paths; the key may be in the file of the certificate.

    Raises:
        CertificateError: they can't be used.
    """
    if certificate is not None:
        return _Renewed(certificate, key).outer
    if key is not None:
        raise CertificateError("a key without a certificate: give both, --certificate and --key")
    return None


class _Renewed:
    """Attributes:
    outer: what listens; it hands each connection to the newest context.
    """

    def __init__(self, certificate: str, key: str | None) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._look()
        self.outer = self._newest = _load(certificate, key)
        self.outer.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called within each handshake, on the loop: two looks at files cost nothing beside it."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._renew()
        connection.context = self._newest

    def _renew(self) -> None:
        try:
            self._newest = _load(self._certificate, self._key)
        except CertificateError as error:
            _logger.warning("%s; the one of before is used on", error)
        else:
            _logger.info("the certificate %r was read anew", self._certificate)

    def _look(self) -> _Seen:
        found = []
        for path in (self._certificate, self._key or self._certificate):
            try:
                status = os.stat(path)
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)


def _load(certificate: str, key: str | None) -> ssl.SSLContext:
    path = key or certificate

    def refuse() -> str:
        # Asking for the password would wait for ever: circusd starts us, and again at any time.
        raise CertificateError(f"the key in {path!r} is encrypted; give one that is not, mode 0600")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, refuse)
    except OSError as error:
        raise CertificateError(
            f"can't use the certificate {certificate!r} with the key {path!r}: {_reason(error)}"
        ) from error
    return context


_NOT_PEM: Final = "NO_START_LINE"


def _reason(error: OSError) -> str:
    """Return what is wrong; an ssl.SSLError of a file that is not PEM has no reason."""
    if not isinstance(error, ssl.SSLError):
        return (error.strerror or str(error)).lower()
    reason = error.reason or _NOT_PEM
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is that of another certificate"
    if reason == _NOT_PEM:
        return "one of them is missing in its file, or is not in PEM form"
    return reason.replace("_", " ").lower()
