"""One daemon that is watched: its connection, what is known of it, and who keeps that new."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from circus_core import (
    AsyncCircusClient,
    CallError,
    CallTimeoutError,
    CircusError,
    ConnectionLostError,
    ReceivedEvent,
    RefusedError,
    Tunnel,
    open_tunnel,
    reachable,
)
from circus_httpd.documents import (
    SERVICES,
    STATS,
    count_states,
    socket_documents,
    watcher_document,
    watcher_row,
)
from circus_httpd.names import Names
from circus_httpd.problems import Problem, problem_of
from circus_httpd.timeline import Timeline
from circus_httpd.tokens import Role
from circus_httpd.usages import Usages, usage_of_dstats
from circus_stats import AsyncStatsClient, Message, name_of_daemon

__all__ = ["Daemon", "daemon_id"]

_logger = logging.getLogger("circus")

_TIMEOUT: Final = 5.0
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_CHECK: Final = 2.0
"""Seconds between two questions whether the daemon is still there and the same, while somebody looks."""

_CHECK_TIMEOUT: Final = 3.0
_ALL_ANEW: Final = 30.0
"""Seconds after which all is asked for again, while somebody looks: not everything is told by an event."""

_CLOCK: Final = 2.0
_GATHER: Final = 0.1
"""Seconds for which events are gathered before what they are about is asked for."""

_MANY: Final = 20
"""Watchers from which on it is less to ask for all."""

_PATIENCE: Final = 2.0
_LINGER: Final = 10.0
_STALE: Final = 5.0
_ROUND: Final = 0.1
"""Seconds from the first figure to the last one of one look."""


def daemon_id(endpoint: str, ssh: str | None) -> str:
    """Return the id of a daemon: always the same, so that addresses of pages stay what they are."""
    return hashlib.sha256(f"{ssh or ''} {endpoint}".encode()).hexdigest()[:12]


class Daemon:
    """Keeps a connection from `run` on. Events are always heard; all else is asked for while somebody looks.

    Belongs to the loop.

    Attributes:
        id, endpoint, ssh, is_first: who it is.
        state: connecting, up, or down, then with a `problem`.
        timeline: its last events.
        is_fresh: somebody looks, and what is known was asked for since they do.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        on_change: Callable[[], None],
        ssh: str | None = None,
        ssh_keyfile: str | None = None,
        is_first: bool = False,
    ) -> None:
        """`on_change` is called when something may look different, apart from figures."""
        self.id = daemon_id(endpoint, ssh)
        self.endpoint = endpoint
        self.ssh = ssh
        self.is_first = is_first
        self.state = "connecting"
        self.problem = ""
        self.timeline = Timeline()
        self.is_fresh = False
        self._ssh_keyfile = ssh_keyfile
        self._on_change = on_change
        self._client: AsyncCircusClient | None = None
        self._tunnel: Tunnel | None = None
        self._descriptions: dict[str, Mapping[str, Any]] = {}
        self._described_at = 0.0
        self._sockets: list[Mapping[str, Any]] = []
        self._options: Mapping[str, Any] = {}
        self._dstats: Mapping[str, Any] = {}
        self._usages = Usages()
        self._stranger = ""
        self._figures_at = 0.0
        self._names = Names()
        self._dirty: set[str] | None = set()  # None: all
        self._has_changed = asyncio.Event()
        self._is_looked_at = asyncio.Event()
        self._has_figures = asyncio.Event()
        self._lookers = 0
        self._looked_until = 0.0
        self._was_up = False
        self._retry = asyncio.Event()
        self._is_up = asyncio.Event()
        self._is_settled = asyncio.Event()

    # -- life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and again after each break, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._serve()
                reason = f"the connection to {self.endpoint} is broken"
            except CircusError as error:
                reason = str(error)
            except Exception as error:
                _logger.exception("the daemon at %s", self.endpoint)
                reason = f"internal error: {error}"
            pause = _FIRST_PAUSE if self.state == "up" else min(2 * pause, _LONGEST_PAUSE)
            self._set_state("down", reason)
            self._retry.clear()
            await _wait(self._retry, pause)

    async def _serve(self) -> None:
        """Connect and go on as long as that holds. Raises CircusError."""
        try:
            if self.ssh is not None and self._tunnel is None:
                self._tunnel = await _log_in(self.ssh, self._ssh_keyfile)
            client = AsyncCircusClient(self.endpoint, timeout=_TIMEOUT, tunnel=self._tunnel)
            async with client, client.events() as events:
                self._client = client
                await self._read_all()
                self._set_state("up", "")
                if self._was_up:
                    self.timeline.note(
                        "reconnected",
                        time=time.time(),
                        reason="events of the time before may be missing here",
                    )
                self._was_up = True
                await _first_of(self._hear(events), self._look())
        finally:
            self._client = None
            self._usages.clear()
            self._has_figures.clear()
            await self._log_out()

    async def _log_out(self) -> None:
        """Close the login after a break, since it may be what is broken."""
        if self._tunnel is not None:
            tunnel, self._tunnel = self._tunnel, None
            await asyncio.to_thread(tunnel.close)

    def _set_state(self, state: str, problem: str) -> None:
        if (state, problem) != (self.state, self.problem):
            if state == "down" and self.state != "down":
                _logger.warning("%s", problem)
            self.state, self.problem = state, problem
            self._on_change()
        self._is_settled.set()
        (self._is_up.set if state == "up" else self._is_up.clear)()

    async def until_up(self, timeout: float) -> bool:
        """Wait until there is a connection; returns whether there is."""
        await _wait(self._is_up, timeout)
        return self._is_up.is_set()

    async def settle(self, timeout: float) -> None:
        """Wait until it is known whether there is a connection."""
        await _wait(self._is_settled, timeout)

    async def _hear(self, events: AsyncIterator[ReceivedEvent]) -> None:
        async for event in events:
            is_watcher = event.topic.startswith("watcher.")
            name = await self._name_in(event) if is_watcher else ""
            self.timeline.add(event, name)
            if is_watcher:
                self._mark(None if event.action in ("add", "remove") else name)
            self._on_change()

    async def _name_in(self, event: ReceivedEvent) -> str:
        """Return the name of the watcher that an event is about; one that is new is asked for.

        The events behind it wait meanwhile, so that they stay in order.
        """
        form = event.watcher
        if form not in self._names or event.action == "add":
            with suppress(CallError, Problem):
                status = await self._send("status", timeout=_CHECK_TIMEOUT)
                self._names.learn(status.get("statuses", ()))
            self._names.learn_unknown(form)
        return self._names[form]

    # -- while somebody looks ----------------------------------------------------------------------------

    def look(self) -> None:
        """Keep what is known new, until `look_away` was called as often."""
        self._lookers += 1
        self._is_looked_at.set()

    def look_away(self) -> None:
        self._lookers -= 1

    def linger(self) -> None:
        """Keep what is known new for a while: who asked may ask again."""
        self._looked_until = asyncio.get_running_loop().time() + _LINGER
        self._is_looked_at.set()

    def _somebody_looks(self) -> bool:
        return self._lookers > 0 or asyncio.get_running_loop().time() < self._looked_until

    async def _look(self) -> None:
        while True:
            await self._is_looked_at.wait()
            try:
                await _first_of(self._check(), self._refresh(), self._measure())
            finally:
                self.is_fresh = False
            self._is_looked_at.clear()

    async def _check(self) -> None:
        """Ask whether it is still there and the same, as long as somebody looks; CallError if it is not."""
        loop = asyncio.get_running_loop()
        all_at = loop.time()
        self._mark(None)
        while self._somebody_looks():
            if loop.time() >= all_at + _ALL_ANEW:
                all_at = loop.time()
                self._mark(None)
            await self._look_at_daemon()
            await asyncio.sleep(_CHECK)

    async def _look_at_daemon(self) -> None:
        dstats, status = await asyncio.gather(
            self._send("dstats", timeout=_CHECK_TIMEOUT), self._send("status", timeout=_CHECK_TIMEOUT)
        )
        if not _is_same_daemon(dstats, self._dstats):
            raise CallError(f"the daemon at {self.endpoint} was restarted")
        self._dstats = dstats
        states: Mapping[str, str] = status.get("statuses", {})
        if states.keys() != self._descriptions.keys():
            self._mark(None)
        for name, state in states.items():
            if name in self._descriptions and self._descriptions[name]["state"] != state:
                self._mark(name)

    def _mark(self, name: str | None) -> None:
        """Have a watcher asked for anew, or all."""
        if name is None:
            self._dirty = None
        elif self._dirty is not None:
            self._dirty.add(name)
        self._has_changed.set()

    async def _refresh(self) -> None:
        """Ask for what has changed, not more often than it can be answered without being a burden."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_changed.wait()
            await asyncio.sleep(_GATHER)
            began = loop.time()
            await self._ask_for_changed()
            self.is_fresh = True
            self._on_change()
            await asyncio.sleep(5 * (loop.time() - began))

    async def _ask_for_changed(self) -> None:
        dirty, self._dirty = self._dirty, set()
        self._has_changed.clear()
        if dirty is None or len(dirty) > _MANY:
            await self._read_watchers()
            self._sockets = list((await self._send("listsockets"))["sockets"])
        else:
            await asyncio.gather(*map(self._read_watcher, dirty))

    async def _measure(self) -> None:
        """Take the figures of circusd-stats, if there is one."""
        while True:
            endpoint = self._stats_endpoint()
            try:
                if endpoint is not None:
                    await self._measure_from(reachable(endpoint, self.endpoint))
            except CircusError as error:
                _logger.warning("figures of %s: %s", self.endpoint, error)
            finally:
                self._usages.clear()
                self._has_figures.clear()
                self._stranger = ""
            await asyncio.sleep(_STALE)

    async def _measure_from(self, endpoint: str) -> None:
        async with AsyncStatsClient(endpoint, tunnel=self._tunnel) as stats:
            async for message in stats:
                if not self._is_ours(message):
                    continue
                self._usages.take(message)
                self._figures_at = asyncio.get_running_loop().time()
                if message.subtopic is None:
                    self._has_figures.set()

    def _is_ours(self, message: Message) -> bool:
        """Tell whether the figures are of this daemon: another one may publish where it should."""
        ours = name_of_daemon(_identity(self._dstats)[0], str(self._options.get("endpoint")))
        self._stranger = "" if message.daemon in (None, ours) else str(message.daemon)
        return not self._stranger

    def _stats_endpoint(self) -> str | None:
        """Return where figures are published; None if circusd-stats is not run by this daemon.

        There is an endpoint also without it, where another daemon's may publish.
        """
        endpoint = self._options.get("stats_endpoint")
        is_on = any(name.lower() == STATS for name in self._descriptions)
        return endpoint if is_on and isinstance(endpoint, str) else None

    def forget_old_figures(self) -> None:
        """Drop figures that are not renewed any more. To be called every now and then."""
        limit = max(_STALE, 3 * (self._usages.interval or 0.0))
        if self._has_figures.is_set() and asyncio.get_running_loop().time() - self._figures_at > limit:
            self._usages.clear()
            self._has_figures.clear()

    async def wait_for_figures(self, timeout: float) -> None:
        """Wait until there are figures, if there will be any; those of watchers come one by one."""
        if self._stats_endpoint() is None or self._has_figures.is_set():
            return
        await _wait(self._has_figures, timeout)
        await asyncio.sleep(_ROUND)

    # -- to ask ------------------------------------------------------------------------------------------

    async def ask(self, command: str, /, *, timeout: float = _TIMEOUT, **properties: Any) -> dict[str, Any]:
        """Have a command carried out; a property that is None is left out. Raises Problem."""
        if self._client is None:
            await self.until_up(_PATIENCE)
        try:
            return await self._send(command, timeout=timeout, **properties)
        except CallError as error:
            is_silent = isinstance(error, CallTimeoutError) and timeout <= _TIMEOUT
            if is_silent or isinstance(error, ConnectionLostError):
                self._drop_connection()
            raise problem_of(error) from error

    async def change(self, watcher: str | None, command: str, /, **properties: Any) -> dict[str, Any]:
        """Do as `ask` does with what changes a watcher (None: several), and see that the change is seen."""
        try:
            return await self.ask(command, **properties)
        finally:
            self._mark(None if watcher is None else self.spelling(watcher))

    async def refresh(self) -> None:
        """Make what is known new, now, if need be over a new connection. Raises Problem."""
        if self._client is not None:
            try:
                await self._ask_for_all()
            except CallError:
                self._drop_connection()
                self._is_up.clear()
            else:
                return
        self.try_now()
        await self.until_up(_PATIENCE)
        self._needs_connection()

    def try_now(self) -> None:
        """Do not wait for the next attempt to connect."""
        self._retry.set()

    async def _send(self, command: str, /, **properties: Any) -> dict[str, Any]:
        client = self._needs_connection()
        return await client.send(command, **properties)

    def _needs_connection(self) -> AsyncCircusClient:
        if self._client is None:
            raise Problem(503, self.problem or f"there is no connection to {self.endpoint} yet")
        return self._client

    def _drop_connection(self) -> None:
        """Begin anew: `_hear` ends when its client is closed."""
        if self._client is not None:
            self._client.close()

    async def _ask_for_all(self) -> None:
        await asyncio.gather(self._read_watchers(), self._read_sockets(), self._look_at_daemon())

    async def _read_all(self) -> None:
        """Raises CallError: the daemon can't be talked to, or does not let us look."""
        self._options = (await self._send("globaloptions"))["options"]
        self._dstats = await self._send("dstats")
        await asyncio.gather(self._read_watchers(), self._read_sockets())

    async def _read_sockets(self) -> None:
        self._sockets = list((await self._send("listsockets"))["sockets"])

    async def _read_watchers(self) -> None:
        client = self._needs_connection()
        reply = await client.call({"command": "describe", "properties": {"name": "*", "match": "glob"}})
        if reply.get("status") == "error" and "not found" not in str(reply.get("reason")):
            raise RefusedError(
                _why_no_description(reply, self.endpoint), errno=reply.get("errno") or 0, reply=reply
            )
        self._descriptions = dict(sorted(reply.get("descriptions", {}).items()))
        self._described_at = time.time()
        self._names.learn(self._descriptions)
        self._usages.keep_watchers({name.lower() for name in self._descriptions})

    async def _read_watcher(self, name: str) -> None:
        try:
            reply = await self._send("describe", name=name)
        except RefusedError:  # it has gone
            self._mark(None)
            self._descriptions.pop(name, None)
            return
        if name in self._descriptions:
            self._descriptions.update(reply["descriptions"])
            self._described_at = time.time()
        else:
            self._mark(None)

    # -- what pages see ----------------------------------------------------------------------------------

    def names(self) -> Iterable[str]:
        return self._descriptions.keys()

    def spelling(self, watcher: str) -> str:
        """Return the name of a watcher as it was configured; case does not count. One unknown as it came."""
        if watcher in self._descriptions:
            return watcher
        return next((name for name in self._descriptions if name.lower() == watcher.lower()), watcher)

    def document(self) -> dict[str, Any]:
        """Return a `Daemon`."""
        info = self._dstats.get("info") or {}
        services = self._usages.services or {"circusd": usage_of_dstats(info)}
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "ssh": self.ssh,
            "state": self.state,
            "problem": self.problem,
            "is_first": self.is_first,
            **{key: self._options.get(key) for key in _TOLD},
            "started": usage_of_dstats(info)["started"],
            "dropped": {key: self._dstats.get(name) for key, name in _DROPPED.items()}
            if self._dstats
            else None,
            "stats": self._stats_document(),
            "services": services if self.state == "up" else {},
            "watchers": sum(not _is_service(name) for name in self._descriptions),
            "states": count_states(
                description for name, description in self._descriptions.items() if not _is_service(name)
            ),
        }

    def overview(self, role: Role) -> dict[str, Any]:
        """Return an `Overview`."""
        rows = {name: watcher_row(each, self._usages, role) for name, each in self._descriptions.items()}
        return {
            "daemon": self.document(),
            "watchers": rows,
            "sockets": {"count": len(self._sockets), "reads": self._usages.reads},
        }

    def watcher(self, name: str, role: Role) -> dict[str, Any] | None:
        """Return a `Watcher`; None if there is no such."""
        description = self._descriptions.get(self.spelling(name))
        if description is None:
            return None
        return watcher_document(description, self._usages, role, self._described_at)

    def sockets(self) -> dict[str, Any]:
        """Return `Socket`s by name."""
        return {"sockets": socket_documents(self._sockets, self._descriptions, self._usages)}

    def _stats_document(self) -> dict[str, Any]:
        endpoint = self._stats_endpoint()
        if self._has_figures.is_set():
            return {"is_on": True, "problem": "", "interval": self._usages.interval}
        if self.state == "up" and endpoint is None:
            problem = (
                "circusd-stats does not run: write statsd = True into [circus] to see what processes cost"
            )
        elif self.state == "up" and self._stranger:
            whose = self._stranger.partition("@")[0]
            problem = (
                f"the figures at {endpoint} are those of circusd {whose}: give each daemon a stats_endpoint "
                "of its own"
            )
        elif self.state == "up" and self._is_looked_at.is_set():
            problem = f"no figures come from circusd-stats at {endpoint} (yet)"
        else:
            problem = ""
        return {"is_on": False, "problem": problem, "interval": None}


_TOLD: Final = ("pubsub_endpoint", "stats_endpoint", "multicast_endpoint", "check_delay")
_DROPPED: Final = {
    "events": "events_dropped",
    "replies": "replies_dropped",
    "requests": "requests_refused",
    "output_bytes": "output_bytes_dropped",
}


def _is_service(name: str) -> bool:
    return name.lower() in SERVICES


def _is_same_daemon(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Compare who answered `dstats`; the time of its start is computed anew each time."""
    (pid, started), (other_pid, other_started) = _identity(one), _identity(other)
    return pid == other_pid and abs(started - other_started) < _CLOCK


def _identity(dstats: Mapping[str, Any]) -> tuple[Any, float]:
    info = dstats.get("info") or {}
    started = info.get("create_time")
    return info.get("pid"), started if isinstance(started, int | float) else 0.0


def _why_no_description(reply: Mapping[str, Any], endpoint: str) -> str:
    reason = str(reply.get("reason"))
    if "unknown command" in reason:
        return f"the daemon at {endpoint} is too old for this dashboard: it has no command 'describe'"
    return f"the daemon at {endpoint} does not let us look: {reason}"


async def _log_in(server: str, keyfile: str | None) -> Tunnel:
    """Log in on a thread. Whoever gives up meanwhile leaves no login behind."""
    task = asyncio.ensure_future(asyncio.to_thread(open_tunnel, server, keyfile))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_close_login)
        raise


def _close_login(task: asyncio.Future[Tunnel]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _wait(event: asyncio.Event, timeout: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Return, or raise, as the first of these does; the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
