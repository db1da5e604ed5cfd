"""The plugin: heartbeats and events to the roll, and its silent ones to the daemon."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

from circus_core import CallError, CircusPlugin, ReceivedEvent
from circus_watchdog.ancestry import nearest_ancestor
from circus_watchdog.complaints import Complaints
from circus_watchdog.ears import NotifyEar, UdpEar
from circus_watchdog.heartbeats import Alive, Lost, Patience, read_message, read_notification
from circus_watchdog.roll import Member, Roll
from circus_watchdog.settings import Rule, read_rule, read_settings

__all__ = ["WatchDog"]

_logger = logging.getLogger("circus")

_PER_TURN: Final = 1000
"""Datagrams that are read before the loop does something else."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A watcher by its name as configured; no rule: it is left alone."""

    name: str
    rule: Rule | None


class WatchDog(CircusPlugin):
    """Has processes killed, and so replaced, that were not heard for too long.

    Attributes:
        settings: the options of its section.
    """

    name = "watchdog"

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.settings = read_settings(config)
        if self.settings.port == 0 and not self.settings.notify_socket:
            raise ValueError("there is nothing to listen at: port is 0, and no watcher has watchdog.notify")
        self._roll = Roll()
        self._watched: dict[str, list[_Watched]] = {}  # by name in events
        self._has_looked = False
        self._udp: UdpEar | None = None
        self._notify: NotifyEar | None = None
        self._complaints = Complaints()
        self._due = 0.0

    async def handle_init(self) -> None:
        self._listen()
        await self._look()
        self._arm()

    def handle_stop(self) -> None:
        for ear in (self._udp, self._notify):
            if ear is not None:
                self.loop.remove_handler(ear.socket.fileno())
                ear.close()

    def handle_gap(self, count: int) -> Awaitable[None]:
        return self._look()

    def handle_event(self, event: ReceivedEvent) -> Awaitable[None] | None:
        match event.action:
            case "spawn":
                return self._came_up(event.watcher, int(event.payload["process_pid"]))
            case "reap" | "kill":  # who is told to stop is not expected to be heard any more
                self._roll.remove(int(event.payload["process_pid"]))
            case "updated":
                return self._changed(event.watcher)
            case "add" | "remove":
                self._watched.clear()
        return None

    # -- who is to be heard --------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Find out about all processes; what keeps it from that is made up for at the next check."""
        self._has_looked = False
        self._watched.clear()
        before, pids = self._roll.pids(), set[int]()
        try:
            names = (await self.ask("status")).get("statuses", {})
            for name in names:
                pids.update(await self._list(await self._read(name)))
        except CallError as error:
            self._complain("look", "watchdog: %s", error)
            return
        for gone in before - pids:
            self._roll.remove(gone)
        self._has_looked = True

    async def _list(self, watched: _Watched) -> list[int]:
        if watched.rule is None:
            return []
        reply = await self.ask("list", name=watched.name)
        pids = [int(pid) for pid in reply.get("pids", ())]
        for pid in pids:
            self._roll.add(pid, watched.name, watched.rule, time.monotonic())
        return pids

    async def _came_up(self, in_event: str, pid: int) -> None:
        found = await self._find(in_event)
        if len(found) > 1:  # names that are one in events: who has it?
            for watched in found:
                await self._list(watched)
        elif found and found[0].rule is not None:
            self._roll.remove(pid)  # of an earlier process
            self._roll.add(pid, found[0].name, found[0].rule, time.monotonic())

    async def _changed(self, in_event: str) -> None:
        self._watched.pop(in_event, None)
        for watched in await self._find(in_event):
            if watched.rule is None:
                self._roll.leave_alone(watched.name)
            else:
                await self._list(watched)

    async def _find(self, in_event: str) -> list[_Watched]:
        if in_event not in self._watched:
            names = (await self.ask("status")).get("statuses", {})
            for name in names:
                if _in_events(name) == in_event:
                    await self._read(name)
        return self._watched.get(in_event, [])

    async def _read(self, name: str) -> _Watched:
        """Read what a watcher says itself, and keep it."""
        options = (await self.ask("options", name=name)).get("options", {})
        in_event = _in_events(name)
        try:
            rule = read_rule((name, in_event), options, self.settings)
        except ValueError as error:
            _logger.error("watcher %r: %s; the plugin's own options are used", name, error)
            rule = read_rule((name, in_event), {}, self.settings)
        watched = _Watched(name, rule)
        others = [each for each in self._watched.get(in_event, ()) if each.name != name]
        self._watched[in_event] = [*others, watched]
        return watched

    # -- hearing -------------------------------------------------------------------------------------------

    def _listen(self) -> bool:
        """Open what is not open yet; tell whether everything is."""
        settings = self.settings
        try:
            if self._udp is None and settings.port:
                self._udp = UdpEar(settings.ip, settings.port)
                self._hear_with(self._udp)
            if self._notify is None and settings.notify_socket:
                self._notify = NotifyEar(settings.notify_socket)
                self._hear_with(self._notify)
        except OSError as error:
            where = f"{settings.ip}:{settings.port}" if self._udp is None else settings.notify_socket
            text = "Problem while binding watchdog socket on %s: %s; nobody is judged while it is not open"
            self._complain("bind", text, where, error)
            return False
        return True

    def _hear_with(self, ear: UdpEar | NotifyEar) -> None:
        self.loop.add_handler(ear.socket.fileno(), lambda *_: self._hear(), self.loop.READ)

    def _hear(self) -> None:
        """Take in the datagrams that have come, in bounded turns."""
        if self._udp is not None:
            for data in self._udp.receive(_PER_TURN):
                self._take_message(data)
        if self._notify is not None:
            for data, sender in self._notify.receive(_PER_TURN):
                self._take_notification(data, sender)

    def _take_message(self, data: bytes) -> None:
        try:
            alive = read_message(data, self.settings.msg_regex)
        except ValueError as error:
            self._complain("message", "watchdog: %r is no heartbeat: %s", data[:100], error)
        else:
            self._take(alive, alive.pid)

    def _take_notification(self, data: bytes, sender: int) -> None:
        try:
            said = list(read_notification(data, sender))
        except ValueError as error:
            self._complain("notification", "watchdog: %r of pid %d: %s", data[:100], sender, error)
            return
        if said:
            pid = nearest_ancestor(sender, self._roll)
            for each in said:
                self._take(each, sender if pid is None else pid)

    def _take(self, said: Alive | Lost | Patience, pid: int) -> None:
        match said:
            case _ if pid not in self._roll:
                self._complain("unknown", "received watchdog for a non monitored process:%d", pid)
            case Alive():
                self._roll.heard(pid, time.monotonic())
            case Patience(seconds=seconds):
                self._roll.set_timeout(pid, seconds)
            case Lost():
                self._roll.accuse(pid)
                self.loop.add_callback(self._judge)

    def _complain(self, kind: str, text: str, *details: object) -> None:
        if self._complaints.is_due(kind):
            _logger.warning(text, *details)

    # -- judging -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._due = time.monotonic() + self.settings.loop_rate
        self.loop.call_later(self.settings.loop_rate, self._check)

    async def _check(self) -> None:
        if not self.running:
            return  # it ends
        late = time.monotonic() - self._due
        try:
            await self._look_around(late)
        finally:
            if self.running:
                self._arm()

    async def _look_around(self, late: float) -> None:
        """Judge, unless nobody could be heard meanwhile.

        Args:
            late: seconds that this check comes too late: this process, or the whole machine, stood still.
        """
        was_deaf = self._is_deaf()
        if not self._listen():
            return
        self._hear()
        self._roll.shift(late)
        if was_deaf:
            self._roll.begin_anew(time.monotonic())
        if not self._has_looked:
            await self._look()
        if late < self.settings.loop_rate:
            await self._judge()

    def _is_deaf(self) -> bool:
        settings = self.settings
        return bool(
            (settings.port and self._udp is None) or (settings.notify_socket and self._notify is None)
        )

    async def _judge(self) -> None:
        for pid, member in self._roll.silent(time.monotonic()):
            await self._kill(pid, member)

    async def _kill(self, pid: int, member: Member) -> None:
        """Have it killed; if the daemon does not answer, the next check tries again."""
        rule = member.rule
        wishes = {"signum": rule.stop_signal, "graceful_timeout": rule.graceful_timeout}
        given = {key: value for key, value in wishes.items() if value is not None}
        _logger.warning("watcher:%s, pid:%d is not responding. Kill it !", member.watcher, pid)
        self._roll.remove(pid)
        try:
            reply = await self.ask("kill", name=member.watcher, pid=pid, **given)
        except CallError as error:
            _logger.error("watchdog: pid %d of %s: %s", pid, member.watcher, error)
            self._roll.restore(pid, member)
            return
        if reply["status"] == "error":
            _logger.info("watchdog: pid %d of %s: %s", pid, member.watcher, reply["reason"])


def _in_events(name: str) -> str:
    return name.lower().replace(" ", "_")
