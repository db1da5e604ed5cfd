"""`check`: whether a configuration file can be used, on the daemon's side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Word
from circus_core.commands.command import Answer, Command, Conversation, Result
from circus_core.commands.ownership import file_refusal
from circus_core.errors import CircusError, MessageError
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Check", "CheckRequest", "Checked"]


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """`path` is None for the file of the daemon; a relative one is looked for in the daemon's folder."""

    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Result):
    """Attributes:
    path: the file.
    is_usable: it has no error.
    is_clean: it has no doubt either.
    problems: of each its level, file, line, section, option, message and so on, and a `text` for people.
    summary: a line for people.
    """

    path: str
    is_usable: bool
    is_clean: bool
    problems: Sequence[Mapping[str, Any]]
    summary: str

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "usable": self.is_usable,
            "clean": self.is_clean,
            "problems": list(self.problems),
            "summary": self.summary,
        }

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(
            path=reply["path"],
            is_usable=reply["usable"],
            is_clean=reply["clean"],
            problems=reply["problems"],
            summary=reply["summary"],
        )

    def to_text(self) -> str:
        return "\n".join([*(str(problem["text"]) for problem in self.problems), self.summary])


class Check(Command[CheckRequest, Checked]):
    """Check a configuration file, where the daemon runs and with what is installed there

    Without FILE: the one that the daemon was started with, as it is now. Nothing is changed.
    """

    name = "check"
    arguments = (Word("path", "the file", metavar="FILE", is_required=False, completes="file"),)
    result = Checked

    def parse(self, properties: Properties) -> CheckRequest:
        path = properties.optional_text("path")
        if path is not None and "\0" in path:
            raise MessageError(f"'path' has a null byte in it: {path!r}")
        return CheckRequest(path)

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {name: os.path.abspath(path) for name, path in arguments.items()}

    async def execute(self, arbiter: ControlledArbiter, request: CheckRequest) -> Checked:
        if arbiter.config.endpoint_owner is not None and request.path is not None:
            raise file_refusal()
        report = await arbiter.check_file(request.path)
        return Checked(
            path=str(report.path),
            is_usable=report.config is not None,
            is_clean=report.exit_code == 0,
            problems=report.plain_problems(),
            summary=report.summary(),
        )

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        for answer in super().converse(daemon, properties):
            yield answer
            if not answer.data["clean"]:
                raise CircusError("the file should be mended")
