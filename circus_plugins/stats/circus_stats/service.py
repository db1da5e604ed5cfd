"""circusd-stats: follows the daemon, looks at its processes, publishes and remembers what it sees."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncIterable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from circus_core import (
    AsyncCircusClient,
    CallError,
    CircusError,
    EndpointError,
    GuardedPublisher,
    ReceivedEvent,
    RefusedError,
)
from circus_stats.arrivals import Arrivals
from circus_stats.asking import ask_roster
from circus_stats.collector import Collector, Look
from circus_stats.connections import Connections, Visit
from circus_stats.history import ACTIVITY, FIGURES, History
from circus_stats.history_server import serve_history
from circus_stats.messages import messages_of_group, messages_of_sockets, socket_stat
from circus_stats.pace import Pace
from circus_stats.payloads import CIRCUS, PREFIX, SOCKETS, SocketStat, name_of_daemon
from circus_stats.roster import Group, Socket
from circus_stats.settings import Settings

__all__ = ["Service"]

log = logging.getLogger("circus")

_TURN: Final = 64
"""Messages that are sent before others on the loop get their turn."""

_PATIENCE: Final = 5.0
"""Seconds that the daemon may take to answer."""

_DOUBT: Final = 60.0
"""Seconds after which the daemon is asked again though nothing seems to be wrong: a connection may have been
lost and made again, with events between."""

_NOTICED: Final = 1.5
"""How many times the wanted interval is worth a line in the log."""

_PAUSE: Final = 1.0
"""Seconds between two times of asking."""


class Service:
    """Runs on one loop until the daemon has gone or it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._collector = Collector(with_pss=settings.with_pss, has_proc=os.path.exists("/proc/self/stat"))
        self._connections = Connections()
        self._history = History()
        self._pace = Pace(settings.interval, share=settings.share)
        self._stop = asyncio.Event()
        self._journal: list[ReceivedEvent] | None = None
        self._shown: Collection[tuple[str, str | None]] = ()
        self._daemon_birth: float | None = None
        self._cpu = time.process_time()

    def stop(self) -> None:
        """End soon, in an orderly way."""
        self._stop.set()

    async def run(self) -> None:
        """Do it all.

        Raises:
            CircusError: the daemon can't be reached, or the endpoint can't be opened.
        """
        settings = self._settings
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            self._publisher = _publisher(settings)
            stack.push_async_callback(self._publisher.close)
            self._arrivals = Arrivals(settings.fds, loop=loop)
            stack.callback(self._arrivals.close)
            self._client = await stack.enter_async_context(
                AsyncCircusClient(settings.endpoint, timeout=_PATIENCE)
            )
            events = await stack.enter_async_context(
                self._client.events("watcher.", "circusd.", endpoint=settings.pubsub)
            )
            self._journal = []
            following = asyncio.create_task(self._follow(events))
            stack.push_async_callback(_cancel, following)
            await self._ask()
            log.info("statistics of circusd (pid %d) at %s", self._roster.daemon, self._publisher.endpoint)
            await self._until_stopped(following, stack)

    async def _until_stopped(self, following: asyncio.Task[None], stack: AsyncExitStack) -> None:
        tasks = [following]
        for work in (self._look_again_and_again(), self._keep_asking(), self._answer(), self._stop.wait()):
            task: asyncio.Task[Any] = asyncio.create_task(work)
            stack.push_async_callback(_cancel, task)
            tasks.append(task)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    # -- who is who ----------------------------------------------------------------------------------------

    async def _follow(self, events: AsyncIterable[ReceivedEvent]) -> None:
        async for event in events:
            if self._journal is None:
                self._take(event)
            else:
                self._journal.append(event)

    def _take(self, event: ReceivedEvent) -> None:
        if event.topic.startswith("watcher."):
            self._roster.take(event.watcher, event.action, event.pid)
        else:  # events were lost, perhaps ours
            self._roster.is_doubtful = True

    async def _keep_asking(self) -> None:
        """Ask the daemon again when there is doubt."""
        asked_at = time.monotonic()
        while True:
            await asyncio.sleep(_PAUSE)
            if self._roster.is_doubtful or time.monotonic() - asked_at > _DOUBT:
                asked_at = time.monotonic()
                self._journal = []
                try:
                    await self._ask()
                except CallError as error:
                    log.debug("circusd was asked in vain: %s", error)
                    self._take_journal()
                    self._roster.is_doubtful = True

    async def _ask(self) -> None:
        """Ask who is who; what happens meanwhile is taken in afterwards."""
        try:
            self._roster = await ask_roster(self._client)
        except RefusedError as error:
            raise CallError(f"circusd at {self._settings.endpoint} refuses: {error}") from error
        self._arrivals.follow(self._roster.sockets)
        self._take_journal()

    def _take_journal(self) -> None:
        journal, self._journal = self._journal or [], None
        for event in journal:
            self._take(event)

    # -- what they cost ------------------------------------------------------------------------------------

    async def _look_again_and_again(self) -> None:
        """Look, publish, wait; returns when the daemon has gone. CircusError: it never was here."""
        self._cpu = time.process_time()
        while True:
            begun = time.monotonic()
            pids = self._roster.pids()
            look, visits = await asyncio.to_thread(
                self._look_at, pids, self._roster.daemon, self._roster.sockets
            )
            if not self._is_daemon_there(look):
                return
            self._roster.take_look({pid: seen.birth for pid, seen in look.processes.items()}, pids)
            await self._publish(look, visits, self._cost())
            self._history.forget_old(time.monotonic(), {_remembered_as(*name) for name in self._shown})
            await asyncio.sleep(max(0.0, begun + self._pace.interval - time.monotonic()))

    def _look_at(
        self, pids: Collection[int], daemon: int, sockets: Collection[Socket]
    ) -> tuple[Look, Mapping[int, Visit]]:
        """Look at everything, on a thread; the children of the daemon are the watchers'."""
        return self._collector.look(pids, alone=[daemon]), self._connections.look(sockets)

    def _is_daemon_there(self, look: Look) -> bool:
        pid = self._roster.daemon
        daemon = look.processes.get(pid)
        if daemon is None and look.interval is None:
            raise CircusError(f"circusd (pid {pid}) does not run here: run circusd-stats where it does")
        if self._daemon_birth is None and daemon is not None:
            self._daemon_birth = daemon.birth
        if daemon is None or daemon.birth != self._daemon_birth:
            log.warning("circusd (pid %d) has gone", pid)
            return False
        return True

    def _cost(self) -> float:
        """Return the cpu time since this was asked before, and set the pace by it."""
        before, self._cpu = self._cpu, time.process_time()
        cost = self._cpu - before
        usual = _NOTICED * self._settings.interval
        was_usual = self._pace.interval <= usual
        interval = self._pace.note(cost)
        if interval > usual and was_usual:
            log.info("a look takes %.0f ms of cpu time: there is one every %.1f s now", 1000 * cost, interval)
        return cost

    async def _publish(self, look: Look, visits: Mapping[int, Visit], cost: float) -> None:
        shown = {(group.topic, group.watcher): group for group in self._roster.groups() if group.pids}
        ended = [Group(*name, ()) for name in self._shown if name not in shown]
        self._shown = shown.keys()
        daemon = name_of_daemon(self._roster.daemon, self._roster.endpoint)
        count = 0
        for group in (*shown.values(), *ended):
            for topic, payload in messages_of_group(group, look, daemon):
                if payload["kind"] == "watcher":
                    self._remember(group, payload["family"], payload["interval"])
                extra = {"cost": round(cost, 4), "dropped": self._publisher.dropped}
                is_own = topic == f"{PREFIX}{CIRCUS}" and group.watcher is None
                self._publisher.publish(topic, {**payload, **extra} if is_own else payload)
                count += 1
                if count % _TURN == 0:
                    await asyncio.sleep(0)
        for topic, stat in messages_of_sockets(self._socket_stats(look.time, visits, daemon)):
            self._publisher.publish(topic, stat)

    def _socket_stats(self, now: float, visits: Mapping[int, Visit], daemon: str) -> list[SocketStat]:
        interval, counts = self._arrivals.take()
        found = []
        for socket in self._roster.sockets:
            reads, waiting = counts.get(socket.fd, (0, None))
            visit = visits.get(socket.fd)
            if visit is None and socket.fd not in counts:
                continue  # nothing can be told of it
            arrived, connections = (None, None) if visit is None else (visit.arrived, visit.now)
            found.append(
                socket_stat(
                    socket,
                    max(reads, arrived or 0),
                    daemon=daemon,
                    connections=connections,
                    waiting=waiting,
                    time=now,
                    interval=interval,
                )
            )
        if found:
            waits = [stat["waiting"] for stat in found if stat["waiting"] is not None]
            opened = [stat["connections"] for stat in found if stat["connections"] is not None]
            rate = sum(stat["reads"] for stat in found) / max(interval, 0.001)
            activity = (rate, float(sum(opened)), float(sum(waits)))
            values = dict(zip(ACTIVITY, activity, strict=True))
            self._history.put(SOCKETS, time.monotonic(), values, covered=interval)
        return found

    # -- what they did cost --------------------------------------------------------------------------------

    def _remember(self, group: Group, family: Mapping[str, Any], interval: float | None) -> None:
        name = _remembered_as(group.topic, group.watcher)
        values = {series: family[series] for series in FIGURES}
        self._history.put(name, time.monotonic(), values, covered=interval or 0.0)

    async def _answer(self) -> None:
        """Answer about the past until cancelled."""
        name = self._settings.history
        server = None if name is None else await serve_history(self._history, name)
        try:
            await asyncio.Event().wait()
        finally:
            if server is not None:
                server.close()


def _remembered_as(topic: str, watcher: str | None) -> str:
    """Return the name in the history, where a watcher called as the daemon or the sockets must not stand."""
    return f"{topic} (watcher)" if watcher is not None and topic in (CIRCUS, SOCKETS) else topic


def _publisher(settings: Settings) -> GuardedPublisher:
    """Open the endpoint; EndpointError says what to do if that is not possible."""
    try:
        return GuardedPublisher(settings.statspoint, config=settings.access)
    except EndpointError as error:
        if getattr(error.__cause__, "errno", None) != errno.EADDRINUSE:
            raise
        raise EndpointError(
            f"can't publish at {settings.statspoint}: address already in use, perhaps by the statistics of "
            "another circusd; give another stats_endpoint"
        ) from error


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, whatever becomes of it."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
