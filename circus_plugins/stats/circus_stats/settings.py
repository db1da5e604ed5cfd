"""What circusd-stats is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from circus_core import ArbiterConfig

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Attributes:
    endpoint, pubsub: of circusd.
    statspoint: where to publish.
    interval: seconds.
    share: part of a core that a look may take on average.
    with_pss: find out PSS and USS.
    access: who may listen: auth, keys, endpoint_owner, allow_full, allow_read.
    fds: sockets inherited from circusd, at which arrivals are counted.
    history: the abstract name at which to answer about the past; None: nowhere.
    """

    endpoint: str
    pubsub: str
    statspoint: str
    interval: float = 1.0
    share: float = 0.25
    with_pss: bool = False
    access: ArbiterConfig = field(default_factory=ArbiterConfig)
    fds: tuple[int, ...] = ()
    history: str | None = None
