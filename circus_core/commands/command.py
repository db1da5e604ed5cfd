"""What every command is: words and JSON in, a result out, JSON and words back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from circus_core.commands.arguments import Argument, Option, Switch
from circus_core.commands.properties import Properties

if TYPE_CHECKING:
    from circus_core.commands.target import ControlledArbiter

__all__ = ["MATCH", "WAITING", "Command", "Done", "Result"]

WAITING = Switch("waiting", "answer when it has happened, not when it has begun")
MATCH = Option(
    "match",
    "how W is compared with names: glob (default), regex or simple",
    choices=("simple", "glob", "regex"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(ABC):
    """What a command found or did.

    Attributes:
        unfinished: work that goes on after the reply; whoever asked for the execution owns it from
            then on, and reports its failure.
    """

    unfinished: Awaitable[object] | None = field(default=None, repr=False, compare=False)

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the command's own keys of the reply."""

    @classmethod
    @abstractmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        """Read a successful reply, also one of Circus 0.19."""

    @abstractmethod
    def to_text(self) -> str:
        """Return what circusctl prints, without the last newline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Result):
    """It happened, or has begun; there is nothing to tell."""

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls()

    def to_text(self) -> str:
        return "ok"


RequestT = TypeVar("RequestT")
ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)


class Command(ABC, Generic[RequestT, ResultT_co]):
    """One command, for the daemon and for circusctl. Has no state.

    The docstring is its help: the first line in the list of commands, all of it for `--help COMMAND`.

    Attributes:
        name: its word, lower case, no blanks.
        arguments: what may follow the word on the command line, in order; switches anywhere.
        result: what `execute` returns.
        endpoint: the channel that circusctl talks to, "control" or "events".
    """

    name: ClassVar[str]
    arguments: ClassVar[Sequence[Argument]] = ()
    result: ClassVar[type[Result]] = Done
    endpoint: ClassVar[str] = "control"

    @abstractmethod
    def parse(self, properties: Properties) -> RequestT:
        """Check the properties of a message; MessageError names what is wrong with which."""

    @abstractmethod
    async def execute(self, arbiter: ControlledArbiter, request: RequestT) -> ResultT_co:
        """Carry it out, on the arbiter's loop. A CircusError becomes an error reply."""

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make the properties of the message from what was typed; MessageError if that can't be used.

        Args:
            arguments: by the names in `arguments`, converted; those not given are missing.
        """
        return dict(arguments)

    def error_text(self, reason: str) -> str:
        """Return what circusctl prints when the daemon refused."""
        return f"error: {reason}"
