"""What a circushttpd is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Attributes:
    host, port: where to listen; port 0 is any that is free.
    fd: descriptor of a listening socket to use instead, as circusd passes it.
    endpoints: of the daemons to watch.
    ssh: `[user@]host[:port]` from which all of these are reached.
    ssh_keyfile: the private key for that, if ssh does not find it by itself.
    multicast: `udp://GROUP:PORT` to ask for daemons; None: nobody may.
    prefix: path in front of everything, such as `/circus`; "" for none.
    allow_hosts: further names that browsers may call the server by.
    trusted_proxies: addresses and networks whose X-Forwarded-* headers are believed.
    certificate, key: files for TLS; the key may be in the certificate's file.
    state_dir: folder of tokens and sessions; None for the usual one.
    ends_with_parent: end when the process that started us does, as circusd wants it.
    """

    host: str = "localhost"
    port: int = 8080
    fd: int | None = None
    endpoints: tuple[str, ...] = ("tcp://127.0.0.1:5555",)
    ssh: str | None = None
    ssh_keyfile: str | None = None
    multicast: str | None = None
    prefix: str = ""
    allow_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    state_dir: str | None = None
    ends_with_parent: bool = False
