"""Who a request comes from, and whether its Host and Origin are ours. Pure: values in, values out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from circus_httpd.problems import Problem

__all__ = ["Gate", "Visitor", "parse_name"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_OWN_SITE = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from and what it called us, a trusted proxy taken away.

    Attributes:
        address: of the client.
        scheme: http or https.
        host: with its port, as in the header Host.
    """

    address: str
    scheme: str
    host: str


class Gate:
    """The rules of one server."""

    def __init__(self, *, allowed_hosts: Iterable[str] = (), trusted_proxies: Iterable[str] = ()) -> None:
        """Args:
            allowed_hosts: further names that the server may be called by, without port. `localhost` and
                addresses are always let in: a name is needed to make a browser take us for another site.
            trusted_proxies: addresses and networks whose X-Forwarded-* headers are believed.

        Raises:
            ValueError: one of `trusted_proxies` is neither address nor network.
        """
        self._hosts = {"localhost", *(host.lower().rstrip(".") for host in allowed_hosts)}
        self._proxies = [ipaddress.ip_network(proxy) for proxy in trusted_proxies]

    def visitor(self, address: str, scheme: str, headers: Mapping[str, str]) -> Visitor:
        """Return who that is. `address` and `scheme` are those of the connection.

        An address may be an IPv4 one as a socket for IPv6 and IPv4 tells it, `::ffff:127.0.0.1`.

        Of the addresses in X-Forwarded-For the last one counts that is not itself a trusted proxy: a client
        can write what it likes in front of it.
        """
        host = headers.get("Host", "")
        address = _plain(address)
        if not self._is_proxy(address):
            return Visitor(address, scheme, host)
        forwarded = [part.strip() for part in headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        client = next((each for each in reversed(forwarded) if not self._is_proxy(each)), address)
        if not _is_address(client):
            client = address
        told_scheme = headers.get("X-Forwarded-Proto", scheme).rpartition(",")[2].strip().lower()
        told_host = headers.get("X-Forwarded-Host", host).rpartition(",")[2].strip()
        return Visitor(_plain(client), told_scheme if told_scheme in ("http", "https") else scheme, told_host)

    def check_host(self, visitor: Visitor) -> None:
        """Raise Problem 421 if we are not called so: DNS rebinding."""
        name = _host_name(visitor.host)
        if name is None or not (name in self._hosts or name.endswith(".localhost") or _is_address(name)):
            raise Problem(
                421,
                f"this server is not called {visitor.host[:200]!r}; if it is, say so with the option "
                "httpd_allow_hosts (--allow-host)",
            )

    def check_origin(
        self, visitor: Visitor, headers: Mapping[str, str], *, is_required: bool = False
    ) -> None:
        """Raise Problem 403 if a page of another site is behind the request.

        Args:
            is_required: there must be an Origin, as browsers send it when they open a websocket.
        """
        site = headers.get("Sec-Fetch-Site")
        if site is not None and site not in _OWN_SITE:
            raise Problem(403, "the request comes from a page of another site")
        origin = headers.get("Origin")
        if origin is None and not is_required:
            return
        if origin is None or not _is_ours(origin, visitor):
            raise Problem(
                403, f"the request comes from {(origin or 'nowhere')[:200]!r}, not from our own page"
            )

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(_plain(address))
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


def _is_ours(origin: str, visitor: Visitor) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == visitor.scheme and parts.netloc.lower() == visitor.host.lower()


def parse_name(text: str) -> str:
    """Return a name, or an address, that a browser may write into the header Host. Raises ValueError."""
    if _is_address(text):
        return text
    name = _host_name(text)
    if name is None or not _NAME.fullmatch(name) or name != text.lower().rstrip("."):
        raise ValueError(
            f"must be a name such as dash.example.org, without scheme, port and path, got '{text}'"
        )
    return name


def _host_name(host: str) -> str | None:
    """Return the name in a Host header; None if it is none."""
    if not host or any(character in host for character in " \t@/\\?#"):
        return None
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises if it is none
    except ValueError:
        return None
    return (parts.hostname or "").rstrip(".") or None


def _plain(address: str) -> str:
    """Return the IPv4 address that an IPv6 one stands for; anything else as it is."""
    try:
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
