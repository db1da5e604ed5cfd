"""Events that programs and hooks publish by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from circus_core import Event

__all__ = ["EventSocket", "Published"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Event):
    """What somebody else than circus-core has to say, under any topic."""

    action = "published"
    full_topic: str
    message: Mapping[str, Any]

    @property
    def topic(self) -> str:
        return self.full_topic

    def payload(self) -> dict[str, Any]:
        return dict(self.message)


class EventSocket:
    """Stands where 0.19 had the ZeroMQ socket of events: what is sent goes to all subscribers."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish

    def send_multipart(self, frames: Sequence[str | bytes]) -> None:
        """Send topic and message, which is JSON. On the loop of the arbiter."""
        topic, message = (frame.decode() if isinstance(frame, bytes) else frame for frame in frames)
        _, _, rest = topic.partition(".")
        watcher = rest.rpartition(".")[0]
        self._publish(
            Published(watcher=watcher, time=time.time(), full_topic=topic, message=json.loads(message))
        )
