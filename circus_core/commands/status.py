"""`status`: the state of watchers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Word
from circus_core.commands.command import Answer, Command, Conversation, Result
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher

__all__ = ["Status", "StatusRequest", "StatusResult"]


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """`name` is None for all watchers."""

    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult(Result):
    """States and, where there is something to say, reasons, by name; `is_single` if one was asked for."""

    states: Mapping[str, str]
    reasons: Mapping[str, str]
    is_single: bool

    @property
    def state(self) -> str:
        """The state of the watcher that was asked for."""
        if not self.is_single:
            raise ValueError("all watchers were asked for: use states")
        return next(iter(self.states.values()))

    def to_json(self) -> dict[str, Any]:
        reply: dict[str, Any] = {"reasons": dict(self.reasons)} if self.reasons else {}
        if self.is_single:
            return {"status": next(iter(self.states.values())), **reply}
        return {"statuses": dict(self.states), **reply}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        reasons = reply.get("reasons") or {}
        if "statuses" in reply:
            return cls(states=reply["statuses"], reasons=reasons, is_single=False)
        name = next(iter(reasons), "")
        return cls(states={name: reply["status"]}, reasons=reasons, is_single=True)

    def to_text(self) -> str:
        if self.is_single:
            return "".join(self._word(name) for name in self.states)
        return "\n".join(f"{name}: {self._word(name)}" for name in sorted(self.states))

    def _word(self, name: str) -> str:
        reason = self.reasons.get(name)
        return f"{self.states[name]} ({reason})" if reason else self.states[name]


class Status(Command[StatusRequest, StatusResult]):
    """Show the state of a watcher or of all

    The states are active, stopped, starting and stopping, followed by the reason in parentheses if there is
    one to tell, such as a program that can't be started.
    """

    name = "status"
    access = "read"
    is_immediate = True
    arguments = (Word("name", "the watcher", is_required=False, completes="watcher"),)
    result = StatusResult

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        for answer in super().converse(daemon, properties):
            yield _painted(answer) if daemon.wants_colours else answer

    def parse(self, properties: Properties) -> StatusRequest:
        return StatusRequest(properties.optional_text("name"))

    async def execute(self, arbiter: ControlledArbiter, request: StatusRequest) -> StatusResult:
        if request.name is None:
            return _states(arbiter.iter_watchers(), is_single=False)
        return _states([arbiter.get_watcher(request.name)], is_single=True)


def _painted(answer: Answer) -> Answer:
    from circus_core.commands.colours import paint_states

    return Answer(answer.data, lambda: paint_states(answer.text()))


def _states(watchers: Iterable[ControlledWatcher], *, is_single: bool) -> StatusResult:
    states: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for watcher in watchers:
        name = watcher.name
        states[name] = watcher.state
        if reason := watcher.reason:
            reasons[name] = reason
    return StatusResult(states=states, reasons=reasons, is_single=is_single)
