"""`circus.sockets`: sockets made by hand; those of circus-core, with the old ways to make them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any, Self

import circus_core
from circus_core import SocketConfig, socket_from_mapping

__all__ = ["CircusSocket", "CircusSockets", "addrinfo"]


class CircusSocket(circus_core.CircusSocket):
    """A socket that is bound once and inherited by processes."""

    @classmethod
    def load_from_config(cls, config: Mapping[str, Any] | SocketConfig) -> Self:
        """Make it from the keys of a `[socket:NAME]` section; the mapping is not changed."""
        if not isinstance(config, SocketConfig):
            config = socket_from_mapping(config)
        return super().load_from_config(config)


class CircusSockets(dict[str, circus_core.CircusSocket]):
    """Sockets by name."""

    def __init__(self, sockets: Iterable[circus_core.CircusSocket] | None = None, backlog: int = -1) -> None:
        super().__init__({each.name: each for each in sockets or ()})
        self.backlog = backlog

    def add(
        self,
        name: str,
        host: str = "localhost",
        port: int = 8080,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        backlog: int | None = None,
        path: str | None = None,
        umask: int | None = None,
        interface: str | None = None,
    ) -> circus_core.CircusSocket:
        """Make one more, not bound; raises ValueError if there is one of this name."""
        if name in self:
            raise ValueError(f"A socket already exists {self[name]}")
        if backlog is None:
            backlog = 2048 if self.backlog == -1 else self.backlog
        self[name] = CircusSocket(
            name, host, port, family, type, proto, backlog, path=path, umask=umask, interface=interface
        )
        return self[name]

    def bind_and_listen_all(self) -> None:
        for each in self.values():
            if not each.is_per_worker and not each.is_bound:
                each.bind_and_listen()

    def close_all(self) -> None:
        for each in self.values():
            each.close()


def addrinfo(host: str, port: int, family: int) -> tuple[str, int]:
    """Look up the first address of this family; raises OSError if there is none."""
    address = socket.getaddrinfo(host, port, family)[0][4]
    return str(address[0]), int(address[1])


def __getattr__(name: str) -> Any:
    if name == "PapaSocketProxy":
        raise ImportError(
            "papa is gone since Circus 0.18: use circus.sockets.CircusSocket, whose sockets outlive workers"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
