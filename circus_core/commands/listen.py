"""`listen`: print events as they happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command, Done
from circus_core.errors import MessageError

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Listen", "ListenRequest"]


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """Never made: events come from the other endpoint."""


class Listen(Command[ListenRequest, Done]):
    """Print events as they happen, until interrupted

    A TOPIC is the beginning of what is to be printed, such as watcher.web. for one watcher; without any,
    everything is.
    With --endpoint, that is the endpoint of events; without, the daemon is asked for it.
    """

    name = "listen"
    arguments = (Word("topics", "how topics begin", metavar="TOPIC", is_required=False, is_many=True),)
    endpoint = "events"

    def parse(self, properties: Properties) -> ListenRequest:
        raise MessageError("invalid message. use a pub/sub socket")

    async def execute(self, arbiter: ControlledArbiter, request: ListenRequest) -> Done:
        raise MessageError("invalid message. use a pub/sub socket")
