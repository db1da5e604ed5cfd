"""`listen`: print events as they happen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from circus_core.commands.arguments import Word
from circus_core.commands.command import Answer, Conversation, LocalCommand

__all__ = ["Listen"]


class Listen(LocalCommand):
    """Print events as they happen, until interrupted

    A TOPIC is the beginning of what is to be printed, such as watcher.web. for one watcher; without any,
    everything is.
    With --endpoint, that is the endpoint of events; without, the daemon is asked for it.
    """

    name = "listen"
    arguments = (Word("topics", "how topics begin", metavar="TOPIC", is_required=False, is_many=True),)

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        for topic, payload in daemon.events(tuple(properties.get("topics", ()))):
            yield _answer(topic, payload)

    def refusal(self) -> str:
        return "invalid message. use a pub/sub socket"


def _answer(topic: bytes, payload: bytes) -> Answer:
    event = {"topic": topic.decode(), "event": json.loads(payload)}
    return Answer(event, lambda: f"{topic!r}: {payload!r}")
