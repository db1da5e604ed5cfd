"""`globaloptions`: options of the daemon that its clients need to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circus_core.commands.arguments import Word
from circus_core.commands.command import Command
from circus_core.commands.shown import Shown
from circus_core.errors import MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter
    from circus_core.config.model import ArbiterConfig

__all__ = ["Globaloptions", "GlobaloptionsRequest"]


@dataclass(frozen=True, slots=True)
class GlobaloptionsRequest:
    """`option` is None for all."""

    option: str | None


class Globaloptions(Command[GlobaloptionsRequest, Shown]):
    """Show where the daemon and its services can be reached, and check_delay"""

    name = "globaloptions"
    access = "read"
    is_immediate = True
    arguments = (
        Word("option", "name of an option", metavar="KEY", is_required=False, completes="globaloption"),
    )
    result = Shown

    def parse(self, properties: Properties) -> GlobaloptionsRequest:
        return GlobaloptionsRequest(properties.optional_text("option"))

    async def execute(self, arbiter: ControlledArbiter, request: GlobaloptionsRequest) -> Shown:
        options = _options(arbiter.config)
        if request.option is None:
            return Shown(options=options)
        if request.option not in options:
            raise MessageError(f"'{request.option}' not an existing option")
        return Shown(options={request.option: options[request.option]})

    def error_text(self, reason: str) -> str:
        return reason


def _options(config: ArbiterConfig) -> Mapping[str, Any]:
    """Return what clients ask for; installed packages may have registered further endpoints."""
    registered = {key: value for key, value in config.options.items() if key.endswith("_endpoint")}
    return {
        "endpoint": config.endpoint,
        **registered,
        "pubsub_endpoint": config.pubsub_endpoint,
        "check_delay": config.check_delay,
        "multicast_endpoint": config.multicast_endpoint,
    }
