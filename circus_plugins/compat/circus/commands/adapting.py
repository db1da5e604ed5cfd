"""A command of 0.19 as circus-core knows commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from circus.exc import ArgumentError
from circus_core import CircusError
from circus_core import Command as CoreCommand
from circus_core.commands import Answer, Conversation, Option, Result, Switch, Word

if TYPE_CHECKING:
    from circus.commands.base import Command

__all__ = ["core_command"]

_WORDS: Final = "circus.words"
_REQUESTS: Final = "circus.requests"
_ANY_WORDS: Final = Word(_WORDS, "see its help", metavar="ARG", is_required=False, is_many=True)


def core_command(old: Command) -> CoreCommand[Any, Any]:
    """Return what circusd and circusctl use for a command."""
    body = {
        "name": old.name,
        "arguments": (_ANY_WORDS, *(_argument(*option) for option in old.options)),
        "__doc__": old.desc or str(old.name),
        "old": old,
    }
    made: CoreCommand[Any, Any] = type(type(old).__name__, (_OldCommand,), body)()
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _OldResult(Result):
    """What an old command returned."""

    keys: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return dict(self.keys)

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(keys=reply)

    def to_text(self) -> str:
        return "ok"


class _OldCommand(CoreCommand[dict[str, Any], _OldResult]):
    """Hands over to an old command, by names and signatures of 0.19."""

    result = _OldResult
    old: ClassVar[Command]

    # In circusd

    def parse(self, properties: Any) -> dict[str, Any]:
        props: dict[str, Any] = properties.everything()
        self.old.validate(props)
        return props

    async def execute(self, arbiter: Any, request: dict[str, Any]) -> _OldResult:
        result = self.old.execute(_face(arbiter), request)
        if not inspect.isawaitable(result):
            return _OldResult(keys=_keys(result, self.name))
        if not request.get("waiting"):
            return _OldResult(unfinished=result)
        return _OldResult(keys=_keys(await result, self.name))

    # In circusctl

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties of the request; of several, or of one for another command, all of it."""
        given = {long: arguments.get(long, default) for _, long, default, _ in self.old.options}
        made = self.old.message(*arguments.get(_WORDS, ()), **given)
        if isinstance(made, Mapping) and made.get("command") == self.name:
            return dict(made.get("properties") or {})
        requests = list(made) if isinstance(made, (list, tuple)) else [made]
        if not all(isinstance(request, Mapping) and "command" in request for request in requests):
            raise ArgumentError(f"message() of '{self.name}' must return a request, got {made!r}")
        return {_REQUESTS: requests}

    def error_text(self, reason: str) -> str:
        return self.old.console_error({"status": "error", "reason": reason})

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        one = {"command": self.name, "properties": properties}
        for request in properties.get(_REQUESTS, [one]):
            reply = daemon.ask(request["command"], request.get("properties") or {})
            yield Answer(reply, lambda reply=reply: self.old.console_msg(reply))  # type: ignore[misc]  # mypy 17135


def _face(arbiter: Any) -> Any:
    """Return the arbiter as 0.19 had it."""
    from circus.arbiter import Arbiter

    return getattr(arbiter, "face", None) or Arbiter.of_daemon(arbiter)


def _keys(result: Any, name: str) -> Mapping[str, Any]:
    """Return what a reply has of a result."""
    if result is None:
        return {}
    if isinstance(result, Mapping):
        return result
    if isinstance(result, (list, tuple)):
        return {"results": list(result)}
    raise CircusError(f"command '{name}' must return a mapping, a list or None, got {result!r}")


def _argument(short: str, long: str, default: Any, help_text: str) -> Switch | Option:
    letter = short if len(short) == 1 else ""
    if isinstance(default, bool):
        return Switch(long, help_text, value=not default, letter=letter)
    convert = type(default) if isinstance(default, (int, float)) else str
    return Option(long, help_text, convert=convert, letter=letter)
