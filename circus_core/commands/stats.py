"""`stats`: what processes cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from circus_core.commands.arguments import Switch, Word, integer
from circus_core.commands.command import Command, Result
from circus_core.commands.info_lines import ENDED, child_lines, info_line
from circus_core.commands.selection import SAFE_MATCH, Selection
from circus_core.records import dataclass, field

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter, ControlledWatcher, Entries

__all__ = ["Stats", "StatsRequest", "StatsResult"]

Info = Mapping[str, Any] | str
"""What is known of a process; text if it has ended."""


@dataclass(frozen=True, slots=True)
class StatsRequest:
    """`process`: the pid of one process; None for all of the watchers meant."""

    selection: Selection
    process: int | None
    extended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsResult(Result):
    """Attributes:
    infos: by watcher and pid.
    name: the only watcher, if one was asked for.
    process: the only process, if one was asked for.
    dropped_bytes: output that could not be delivered, of those watchers that lost some.
    """

    infos: Mapping[str, Mapping[str, Info]]
    name: str | None = None
    process: int | None = None
    dropped_bytes: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        dropped = {"dropped_bytes": dict(self.dropped_bytes)} if self.dropped_bytes else {}
        if self.name is None:
            return {"infos": {name: dict(infos) for name, infos in self.infos.items()}, **dropped}
        infos = self.infos[self.name]
        if self.process is None:
            return {"name": self.name, "info": dict(infos), **dropped}
        return {"process": self.process, "info": infos[str(self.process)], **dropped}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        dropped = reply.get("dropped_bytes") or {}
        if "infos" in reply:
            return cls(infos=reply["infos"], dropped_bytes=dropped)
        if "process" in reply:
            process = int(reply["process"])
            infos = {"": {str(process): reply["info"]}}
            return cls(infos=infos, name="", process=process, dropped_bytes=dropped)
        name = reply["name"]
        return cls(infos={name: reply["info"]}, name=name, dropped_bytes=dropped)

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, infos in self.infos.items():
            if self.process is None:
                yield f"{name}:"
            for pid, info in infos.items():
                yield f"{pid}: {info_line(info)}"
                yield from child_lines(info, "   ")


class Stats(Command[StatsRequest, StatsResult]):
    """Show what processes cost

    A line has pid, command, user, nice, resident and virtual memory, percent of cpu and of memory, and cpu
    time; below it, the same of its direct children. Percent of cpu is counted since the last time somebody
    asked, at first since the process was started. With --extended the hook extended_stats adds to what --json
    prints.
    """

    name = "stats"
    access = "read"
    arguments = (
        Word("name", "the watcher", is_required=False, completes="watcher"),
        Word(
            "process",
            "one of its processes",
            metavar="PID",
            is_required=False,
            completes="pid",
            convert=integer,
        ),
        Switch("extended", "with the figures of the hook extended_stats"),
        SAFE_MATCH,
    )
    result = StatsResult

    def parse(self, properties: Properties) -> StatsRequest:
        return StatsRequest(
            Selection.parse_safe(properties),
            properties.optional_integer("process"),
            properties.boolean("extended"),
        )

    async def execute(self, arbiter: ControlledArbiter, request: StatsRequest) -> StatsResult:
        selection, pid = request.selection, request.process
        watchers = selection.of(arbiter) if pid is None else [selection.with_process(arbiter, pid)]
        is_named = selection.pattern is not None
        entries = await arbiter.measure(watchers, extended=request.extended and is_named)
        infos = {watcher.name: _infos(entries[watcher.name], pid) for watcher in watchers}
        dropped = {w.name: w.dropped_bytes for w in watchers if w.dropped_bytes}
        if pid is None and not (is_named and len(watchers) == 1):
            return StatsResult(infos=infos, dropped_bytes=dropped)
        name, own = _name(selection, watchers[0]), infos[watchers[0].name]
        return StatsResult(infos={name: own}, name=name, process=pid, dropped_bytes=dropped)


def _infos(entries: Entries, pid: int | None) -> dict[str, Info]:
    """Return the entries by their pids as text, as JSON wants keys; only that of `pid` if it is given."""
    if pid is not None:
        return {str(pid): entries.get(pid) or ENDED}
    return {str(each): entry or ENDED for each, entry in entries.items()}


def _name(selection: Selection, watcher: ControlledWatcher) -> str:
    """Return the name as the client wrote it, unless that is a pattern."""
    if selection.pattern is None or selection.is_pattern:
        return watcher.name
    return selection.pattern
