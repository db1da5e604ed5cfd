"""All that is known of the daemon: told by messages, asked by views. Pure: no I/O, no clock, no terminal.

`now` is always seconds on the monotonic clock. Names are cleaned when they come in: whatever a view takes
from here may be written to a terminal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from circus_stats.top.figures import clean, number_of, whole_of
from circus_stats.top.known import PAST, Exit, Figures, Process, Socket, Watcher, form_of, key_of

__all__ = ["OWN", "STATS_WATCHER", "Model"]

OWN: Final = "circus"
"""Name in the stream of statistics under which the daemon's own processes come."""

STATS_WATCHER: Final = "circusd-stats"
"""Key of the watcher that publishes the stream, where statsd is on."""

_SOCKETS: Final = "sockets"


class Model:
    """All that is known. Not for several threads.

    Attributes:
        watchers: by key.
        own: the daemon's processes.
        sockets: by descriptor.
        rounds: how often the stream has told of everything.
        interval: seconds between two rounds of the stream, as far as it says; else None.
    """

    def __init__(self) -> None:
        self.watchers: dict[str, Watcher] = {}
        self.own = Watcher(OWN, OWN, OWN, 0.0)
        self.sockets: dict[int, Socket] = {}
        self.rounds = 0
        self.interval: float | None = None
        self._round: set[str] = set()

    # -- from the stream of statistics -------------------------------------------------------------------

    def apply_stat(self, watcher: str, subtopic: object, stat: Mapping[str, Any], now: float) -> None:
        """Take a message of the stream; one that makes no sense is left alone.

        Args:
            subtopic: pid or descriptor; None for what holds for all of them.
        """
        if watcher == _SOCKETS and ("fd" in stat or "addresses" in stat):
            self._apply_socket(stat, now)
            return
        self.interval = number_of(stat.get("interval")) or self.interval
        if subtopic is None:
            self._apply_aggregate(watcher, stat, now)
            return
        pid = whole_of(stat.get("pid"))
        if pid is None:
            pid = whole_of(subtopic)
        if pid is not None:
            label = stat.get("name")
            if watcher == OWN and isinstance(label, str):
                teller = self._own(label, pid)
            else:
                teller = self._streamed(watcher, stat, now)
            _measure(teller.process(pid, now), stat)

    def _apply_socket(self, stat: Mapping[str, Any], now: float) -> None:
        fd = whole_of(stat.get("fd"))
        if fd is None:
            return
        socket = self.sockets.setdefault(fd, Socket(fd, now))
        socket.seen = now
        socket.address = clean(stat.get("address", socket.address))
        socket.name = clean(stat.get("name") or socket.name)
        reads, interval = number_of(stat.get("reads")), number_of(stat.get("interval"))
        socket.reads = reads / interval if reads is not None and interval else reads
        socket.waiting, socket.connections = whole_of(stat.get("waiting")), whole_of(stat.get("connections"))
        socket.past.append(socket.reads)

    def _apply_aggregate(self, name: str, stat: Mapping[str, Any], now: float) -> None:
        self._count_round(name)
        pids = stat.get("pid")
        if not isinstance(pids, list):
            return
        watcher = self._told_by_aggregate(name, stat, pids, now)
        if watcher is None:
            return
        watcher.seen = now
        if "kind" in stat:  # Circus 0.19 tells half of the processes here if the name has a blank
            for pid in watcher.processes.keys() - set(pids):
                del watcher.processes[pid]
        _remember(watcher)

    def _told_by_aggregate(
        self, name: str, stat: Mapping[str, Any], pids: list[Any], now: float
    ) -> Watcher | None:
        if name == OWN and (OWN not in self.watchers or any(pid in self.own.processes for pid in pids)):
            return self.own
        return self._streamed(name, stat, now) if pids or self._heard(name, stat) else None

    def _count_round(self, name: str) -> None:
        if name in self._round:
            self.rounds += 1
            self._round.clear()
        self._round.add(name)

    # -- from answers of the daemon ----------------------------------------------------------------------

    def apply_infos(self, infos: Mapping[str, Any], now: float) -> None:
        """Take the `infos` that the command `stats` answers of all watchers."""
        for name, info in infos.items():
            watcher = self._listed(name, now)
            told = info if isinstance(info, Mapping) else {}
            measured = {whole_of(pid): each for pid, each in told.items() if isinstance(each, Mapping)}
            for pid, each in measured.items():
                if pid is not None:
                    _measure(watcher.process(pid, now), each)
            for pid in watcher.processes.keys() - measured.keys():
                del watcher.processes[pid]
            _remember(watcher)

    def apply_own(self, info: Mapping[str, Any], now: float) -> None:
        """Take the `info` of the command `dstats`: the daemon alone."""
        pid = whole_of(info.get("pid"))
        if pid is None:
            return
        self.own.processes = {key: process for key, process in self.own.processes.items() if key == pid}
        _measure(self.own.process(pid, now), {"name": "circusd", **info})
        _remember(self.own)

    def apply_statuses(self, statuses: Mapping[str, Any], reasons: Mapping[str, Any], now: float) -> None:
        """Take the states of all watchers; those that are missing are no more."""
        for name, state in statuses.items():
            watcher = self._listed(name, now)
            watcher.state, watcher.reason = clean(state), clean(reasons.get(name) or "")
            if watcher.state == "stopped":
                watcher.note_stop()
        gone = self.watchers.keys() - {key_of(name) for name in statuses}
        for key in gone:
            del self.watchers[key]

    def apply_sockets(self, sockets: Iterable[Mapping[str, Any]], now: float) -> None:
        """Take what `listsockets` answers; those that are missing are no more."""
        told = {whole_of(each.get("fd")): each for each in sockets}
        for fd, each in told.items():
            if fd is not None:
                socket = self.sockets.setdefault(fd, Socket(fd, now))
                socket.name, socket.address, socket.is_listed = (
                    clean(each.get("name", "")),
                    _address(each),
                    True,
                )
        for fd in self.sockets.keys() - told.keys():
            del self.sockets[fd]

    def apply_description(self, told: Mapping[str, Any], now: float) -> None:
        """Take what `describe` answers of one watcher."""
        watcher = self._listed(str(told.get("name")), now)
        watcher.state, watcher.reason = clean(told.get("state", "")), clean(told.get("reason") or "")
        watcher.command = _command(told)
        watcher.wanted, watcher.restarts = whole_of(told.get("numprocesses")), whole_of(told.get("restarts"))
        exits = told.get("exits") or []
        if exits:
            last = exits[-1]
            code, at = whole_of(last.get("exit_code")), number_of(last.get("time")) or 0.0
            watcher.last_exit = Exit(code, at, whole_of(last.get("pid")))
        for each in told.get("processes") or []:
            pid = whole_of(each.get("pid"))
            if pid is not None:
                process = watcher.process(pid, now)
                process.wid, process.restarts = whole_of(each.get("wid")), whole_of(each.get("restarts"))
                process.state = clean(each.get("state", ""))

    def apply_past(self, name: str, cpu: Iterable[float | None], mem: Iterable[float | None]) -> None:
        """Take a watcher's values from before we came, oldest first; fewer than we know are no news."""
        is_own = name == OWN and OWN not in self.watchers
        watcher = self.own if is_own else self.watchers.get(key_of(name))
        if watcher is None:
            return  # it was removed within the hour that is remembered
        cpu, mem = list(cpu), list(mem)
        if len(cpu) >= len(watcher.cpu_past):
            watcher.cpu_past = deque(cpu, maxlen=PAST)
            watcher.mem_past = deque(mem, maxlen=PAST)

    # -- from events -------------------------------------------------------------------------------------

    def apply_event(self, name: str, action: str, payload: Mapping[str, Any], now: float) -> None:
        """Take an event, its topic taken apart; it is left alone if several watchers may be meant."""
        found = self.of_form(name)
        if len(found) > 1:
            return
        if action == "remove":
            for each in found:
                del self.watchers[each.key]
            return
        watcher = self._watcher(found[0].name if found else name, now)
        pid = whole_of(payload.get("process_pid"))
        if action == "spawn" and pid is not None:
            watcher.note_spawn(pid, now)
        elif action == "reap":
            code = whole_of(payload.get("exit_code"))
            watcher.note_reap(Exit(code, number_of(payload.get("time")) or 0.0, pid))
        elif action == "kill" and pid in watcher.processes:
            watcher.processes[pid].state = "stopping"
        elif action == "state":
            watcher.state, watcher.reason = (
                clean(payload.get("state", "")),
                clean(payload.get("reason") or ""),
            )
        elif action == "stop":
            watcher.note_stop()

    def of_form(self, name: str) -> list[Watcher]:
        """Return the watchers that an event may be about: most often one."""
        form = form_of(name)
        if "_" in form:
            return [each for each in self.watchers.values() if form_of(each.key) == form]
        watcher = self.watchers.get(form)
        return [] if watcher is None else [watcher]

    # -- the time that goes by ---------------------------------------------------------------------------

    def shown_watchers(self) -> list[Watcher]:
        """Return the watchers, without those whose processes are among the daemon's own."""
        own = {process.label for process in self.own.processes.values()}
        return [each for each in self.watchers.values() if each.processes or each.title not in own]

    def expire(self, now: float, timeout: float) -> None:
        """Forget what nothing was heard of for so many seconds, unless the daemon named it."""
        for watcher in [self.own, *self.watchers.values()]:
            for process in [each for each in watcher.processes.values() if now - each.seen > timeout]:
                del watcher.processes[process.pid]
        for watcher in list(self.watchers.values()):
            if not watcher.is_listed and not watcher.processes and now - watcher.seen > timeout:
                del self.watchers[watcher.key]
        for socket in list(self.sockets.values()):
            if not socket.is_listed and now - socket.seen > timeout:
                del self.sockets[socket.fd]

    def forget_figures(self) -> None:
        """Forget what the stream has told: it is another daemon's."""
        self.own.processes.clear()
        self.watchers = {key: each for key, each in self.watchers.items() if each.is_listed}
        for watcher in [self.own, *self.watchers.values()]:
            watcher.processes.clear()
            watcher.cpu_past.clear()
            watcher.mem_past.clear()
        self.sockets = {fd: each for fd, each in self.sockets.items() if each.is_listed}
        self.interval = None

    def forget_daemon(self) -> None:
        """Forget what the daemon has told: it is another one that is meant, whose figures come again."""
        self.forget_figures()
        self.watchers.clear()
        self.sockets.clear()

    def forget_listing(self) -> None:
        """Note that the daemon can't be asked any more: its names hold until something newer is heard."""
        for watcher in self.watchers.values():
            watcher.is_listed = False
        for socket in self.sockets.values():
            socket.is_listed = False

    # -- how ---------------------------------------------------------------------------------------------

    def _watcher(self, name: str, now: float) -> Watcher:
        key = key_of(name)
        watcher = self.watchers.get(key)
        if watcher is None:
            watcher = self.watchers[key] = Watcher(key, name, clean(name), now)
        watcher.seen = now
        return watcher

    def _own(self, label: str, pid: int) -> Watcher:
        """Return the daemon's own processes; one of them is no longer shown with its watcher."""
        watcher = self.watchers.get(key_of(label))
        if watcher is not None:
            watcher.processes.pop(pid, None)
        return self.own

    def _streamed(self, name: str, stat: Mapping[str, Any], now: float) -> Watcher:
        """Return the watcher that a message is about."""
        known, configured = self._heard(name, stat), stat.get("watcher")
        watcher = self._watcher(name if known is None else known.name, now)
        if isinstance(configured, str) and key_of(configured) == watcher.key:
            watcher.call(configured)
        return watcher

    def _heard(self, name: str, stat: Mapping[str, Any]) -> Watcher | None:
        """Return the watcher that a message is about if it is known; an old daemon gives one two names."""
        exact = self.watchers.get(key_of(name))
        if exact is not None or "kind" in stat:
            return exact
        found = self.of_form(name)
        return found[0] if len(found) == 1 else None

    def _listed(self, name: str, now: float) -> Watcher:
        """Return a watcher that the daemon calls so."""
        watcher = self._watcher(name, now)
        watcher.is_listed = True
        watcher.call(name)
        return watcher


def _measure(process: Process, stat: Mapping[str, Any]) -> None:
    process.figures = figures = Figures.of(stat)
    process.cpu_past.append(figures.cpu)
    process.mem_past.append(figures.mem)
    command, label = stat.get("cmdline"), stat.get("name")
    if isinstance(command, str) and command != process.command:
        process.command = clean(command)
    if isinstance(label, str) and label != process.label:
        process.label = clean(label)
    if not process.user:
        process.user = clean(stat.get("username", ""))
    wid = whole_of(stat.get("wid"))
    if wid is not None:
        process.wid = wid


def _remember(watcher: Watcher) -> None:
    figures = watcher.figures()
    watcher.cpu_past.append(figures.cpu)
    watcher.mem_past.append(figures.mem)


def _address(told: Mapping[str, Any]) -> str:
    if told.get("path"):
        return clean(told["path"])
    return clean(f"{told.get('host', '')}:{told.get('port', '')}")


def _command(told: Mapping[str, Any]) -> str:
    args = told.get("args") or ""
    words = " ".join(str(word) for word in args) if isinstance(args, list | tuple) else str(args)
    return clean(f"{told.get('cmd', '')} {words}".strip())
