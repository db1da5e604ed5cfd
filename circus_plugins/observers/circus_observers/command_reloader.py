"""Restarts watchers whose command, or a folder that belongs to it, has changed on disk."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from circus_core import BOOL, CallError, CircusPlugin, ReceivedEvent
from circus_observers.notices import Notices
from circus_observers.options import option, read_options
from circus_observers.places import Fingerprint, Folder, command_file, fingerprint, names_leading_to
from circus_observers.sections import ReloaderOptions

__all__ = ["CommandReloader"]

_logger = logging.getLogger("circus")

_CHANGES: Final = frozenset({"add", "remove", "updated", "start"})
_RETRY: Final = 5.0
"""Seconds until a daemon that did not answer is asked again."""

_LONGEST: Final = 10
"""Periods after which changes that do not end are acted on all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherOptions(ReloaderOptions):
    """The values of one watcher; those of the plugin where it has none."""

    active: bool = option(True, BOOL)


@dataclass(slots=True)
class _Program:
    """What one watcher runs.

    Attributes:
        file: of its command; None if that is not known.
        seen: the file that was there last.
    """

    watcher: str
    file: str | None
    folder: Folder | None
    seen: Fingerprint | None = None
    names: set[str] = field(default_factory=set)

    def is_changed(self, touched: Collection[str]) -> str | None:
        """Return what of it has changed."""
        if self.file is not None:
            before, now = self.seen, fingerprint(self.file)
            self.seen = now or before
            if now is not None and before is not None and now != before:
                return self.file
        if self.folder is not None and self.folder.holds(touched):
            return self.folder.path
        return None


class CommandReloader(CircusPlugin):
    """Learns from the daemon what runs, and from inotify(7) what changes."""

    name = "command_reloader"

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.options = read_options(ReloaderOptions, config)
        self._programs: dict[str, _Program] = {}
        self._names: frozenset[str] = frozenset()  # read by the thread of notices
        self._folders: tuple[Folder, ...] = ()  # read by the thread of notices
        self._touched: set[str] = set()
        self._is_outdated = True

    def handle_init(self) -> None:
        self._wake = asyncio.Event()
        self._notices = Notices(self._noticed)
        self.loop.add_callback(self._run)

    async def handle_stop(self) -> None:
        await asyncio.to_thread(self._notices.close)

    def handle_event(self, event: ReceivedEvent) -> None:
        if event.action in _CHANGES and not event.watcher.startswith("plugin:"):
            self._outdated()

    def handle_gap(self, count: int) -> None:
        self._outdated()

    def _outdated(self) -> None:
        self._is_outdated = True
        self._wake.set()

    # -- notices -------------------------------------------------------------------------------------------

    def _noticed(self, path: str) -> None:
        """Called in the thread of notices, for each change in a watched folder."""
        if path in self._names or any(folder.holds([path]) for folder in self._folders):
            self.loop.add_callback(self._touch, path)

    def _touch(self, path: str) -> None:
        self._touched.add(path)
        self._wake.set()

    async def _run(self) -> None:
        await self._look()
        while True:
            await self._wake.wait()
            await self._quiet()
            await self._look()

    async def _quiet(self) -> None:
        """Wait until nothing has changed for a period: who saves a file changes it several times."""
        for _ in range(_LONGEST):
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self.options.loop_rate)
            except TimeoutError:
                return

    async def _look(self) -> None:
        self._wake.clear()
        touched, self._touched = self._touched, set()
        try:
            if self._is_outdated:
                await self._learn()
            changed = await asyncio.to_thread(self._changed, touched)
            for watcher, what in changed:
                await self._restart(watcher, what)
        except CallError as error:
            _logger.error("%s: %s", self.name, error)
            self.loop.call_later(_RETRY, self._outdated)

    def _changed(self, touched: Collection[str]) -> list[tuple[str, str]]:
        """Return watchers and what has changed of them; links may lead elsewhere now. Reads the disk."""
        programs = list(self._programs.values())
        changed = [(program.watcher, program.is_changed(touched)) for program in programs]
        if touched:
            self._watch(programs)
        return [(watcher, what) for watcher, what in changed if what is not None]

    async def _restart(self, watcher: str, what: str) -> None:
        status = (await self.ask("status", name=watcher)).get("status")
        if status != "active":
            return  # what starts it will start what is there now
        _logger.info("%s modified. Restarting %s.", what, watcher)
        reply = await self.ask("restart", name=watcher, match="simple")
        if reply["status"] == "error":
            _logger.error("%s: restart of %s: %s", self.name, watcher, reply.get("reason"))

    # -- what runs -----------------------------------------------------------------------------------------

    async def _learn(self) -> None:
        """Ask what runs, and watch that."""
        self._is_outdated = False
        reply = await self.ask("describe", name="*", match="glob")
        known = reply.get("descriptions", {})
        await asyncio.to_thread(self._take_in, list(_described(known)))

    def _take_in(self, described: Iterable[Mapping[str, Any]]) -> None:
        programs = {}
        for known in described:
            program = self._program(known)
            before = self._programs.get(program.watcher) if program is not None else None
            if program is None:
                continue
            if before is not None and before.file == program.file:
                program.seen = before.seen
            programs[program.watcher] = program
        self._watch(programs.values())
        for program in programs.values():
            if program.seen is None and program.file is not None:
                program.seen = fingerprint(program.file)
        if programs.keys() != self._programs.keys():
            _logger.info("%s: looking after the programs of %d watchers", self.name, len(programs))
        self._programs = programs

    def _program(self, known: Mapping[str, Any]) -> _Program | None:
        name, working_dir = known["name"], known.get("working_dir")
        try:
            options = self._options(known.get("options") or {})
        except ValueError as error:
            _logger.error("watcher %r: %s; it is left alone", name, error)
            return None
        if not options.active:
            return None
        file = command_file(known["cmd"], working_dir)
        folder = None
        if options.folder is not None:
            path = os.path.join(working_dir or os.curdir, os.path.expanduser(options.folder))
            folder = Folder(os.path.realpath(path), options.files)
        return None if file is None and folder is None else _Program(name, file, folder)

    def _options(self, own: Mapping[str, Any]) -> WatcherOptions:
        defaults = {"folder": self.options.folder, "files": " ".join(self.options.files)}
        prefix = f"{self.name}."
        given = {key.removeprefix(prefix): value for key, value in own.items() if key.startswith(prefix)}
        return read_options(WatcherOptions, {**defaults, **given})

    def _watch(self, programs: Iterable[_Program]) -> None:
        programs = list(programs)
        for program in programs:
            program.names = names_leading_to(program.file) if program.file is not None else set()
        names = frozenset().union(*(program.names for program in programs))
        folders = {program.folder for program in programs if program.folder is not None}
        self._names, self._folders = names, tuple(folders)
        wanted = {(os.path.dirname(name), False): None for name in names}
        wanted.update({(folder.path, True): None for folder in folders})
        self._notices.watch(wanted)


def _described(known: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (each for name, each in known.items() if not name.lower().startswith("plugin:"))
