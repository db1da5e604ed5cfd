"""What every command is: words and JSON in, a result out, JSON and words back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NoReturn, Protocol, Self, TypeVar

from circus_core.commands.arguments import Argument, Option, Switch
from circus_core.commands.properties import Properties
from circus_core.errors import MessageError, RefusedError
from circus_core.records import dataclass, field

if TYPE_CHECKING:
    from circus_core.commands.target import ControlledArbiter

__all__ = [
    "MATCH",
    "WAITING",
    "Access",
    "Answer",
    "Command",
    "Conversation",
    "Done",
    "LocalCommand",
    "Result",
]

Access = Literal["full", "read"]
"""What a client must be allowed to have a command carried out: everything, or only to look."""

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
        troubles: why watchers are not as it was asked, by their names; only where that was waited for.
    """

    unfinished: Awaitable[object] | None = field(default=None, repr=False, compare=False)
    troubles: Mapping[str, str] = field(default_factory=dict)

    def reply(self) -> dict[str, Any]:
        """Return all keys of the reply that are not those of every reply."""
        own = self.to_json()
        return {**own, "troubles": dict(self.troubles)} if self.troubles else own

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


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that circusctl prints: `data` as a line of JSON with --json, else what `text` returns.

    Attributes:
        is_aside: the text is about the output, not part of it: it goes to standard error.
    """

    data: Mapping[str, Any]
    text: Callable[[], str]
    is_aside: bool = False


class Conversation(Protocol):
    """The daemon, for a command that is being carried out by circusctl; connected when it is first asked."""

    @property
    def wants_colours(self) -> bool:
        """What is printed goes to a terminal that shows colours."""

    def ask(
        self, command: str, properties: Mapping[str, Any], /, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Return the reply to a request.

        Args:
            timeout: seconds until it gives up, instead of --timeout; the daemon may answer late on purpose.

        Raises:
            RefusedError: the daemon answered with an error.
            CallError: there was no usable answer, in time.
        """

    def events(
        self, topics: Sequence[str] = (), /, *, of_control: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield topic and payload of each event whose topic begins with one of `topics`, without end.

        Args:
            of_control: --endpoint means the control endpoint as ever, not that of events.
        """


RequestT = TypeVar("RequestT")
ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)


class Command(ABC, Generic[RequestT, ResultT_co]):
    """One command, for the daemon and for circusctl. Has no state.

    The docstring is its help: the first line in the list of commands, all of it for `--help COMMAND`.

    Attributes:
        name: its word, lower case, no blanks.
        arguments: what may follow the word on the command line, in order; switches anywhere.
        result: what `execute` returns.
        access: "read" if it changes nothing and tells no secret, so that who may only look may have it.
        is_immediate: `execute` awaits nothing, so it is answered at once, without a task of its own.
    """

    name: ClassVar[str]
    arguments: ClassVar[Sequence[Argument]] = ()
    result: ClassVar[type[Result]] = Done
    access: ClassVar[Access] = "full"
    is_immediate: ClassVar[bool] = False

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

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        """Do the part of circusctl: yield what it prints, as it comes. One question, one answer.

        Args:
            properties: what `message` made.

        Raises:
            RefusedError: the daemon refused, or did it and it did not work.
            CircusError: it can't go on; what was yielded before is printed.
        """
        reply = daemon.ask(self.name, properties)
        if troubles := reply.get("troubles"):
            text = "; ".join(f"{name}: {why}" for name, why in troubles.items())
            raise RefusedError(text, errno=0, reply=reply)
        yield Answer(reply, lambda: self.result.from_json(reply).to_text())


class LocalCommand(Command[Any, Result]):
    """A command that circusctl carries out on its own: a request for it is refused by the daemon."""

    access: ClassVar[Access] = "read"

    def parse(self, properties: Properties) -> NoReturn:
        raise MessageError(self.refusal())

    async def execute(self, arbiter: ControlledArbiter, request: Any) -> NoReturn:
        raise MessageError(self.refusal())

    def refusal(self) -> str:
        """Return what a client is told that sends it as a request."""
        return f"'{self.name}' is carried out by circusctl, not by circusd"

    @abstractmethod
    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]: ...
