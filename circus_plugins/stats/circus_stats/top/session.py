"""Keeps the model up to date: hears the stream of statistics and asks the daemon, as long as it takes.

What is published is heard, not asked for. Only where nothing is published the daemon is asked, again and
again.
A daemon that goes away is waited for. Belongs to one asyncio loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from circus_core import (
    AsyncCircusClient,
    CallError,
    CircusError,
    RefusedError,
    Tunnel,
    UnreachableError,
    reachable,
)
from circus_stats.client import AsyncStatsClient
from circus_stats.payloads import Message, name_of_daemon
from circus_stats.top.figures import clean, number_of, whole_of
from circus_stats.top.known import PAST, form_of
from circus_stats.top.model import STATS_WATCHER, Model
from circus_stats.top.settings import Settings
from circus_stats.top.status import Feed, State, Status

__all__ = ["Session"]

PATIENCE: Final = 5.0
"""Seconds for an answer."""

_HEARTBEAT: Final = 2.0
"""Seconds between two questions for the states: an event may be lost, and silence looks like peace."""

_SILENCE: Final = 3.0
"""Seconds without an answer to that after which the daemon counts as away."""

_RETRY: Final = 0.5
"""Seconds between two tries to reach a daemon; each waits for it by itself, unless it fails at once."""

_REST: Final = 10.0
"""A question that is asked again rests so many times as long as its answer took: it costs the daemon at most
a tenth of its time."""

_SETTLE: Final = 0.5
"""Seconds to gather what has changed before it is asked about."""

_STREAM_LIMIT: Final = 2.5
"""Seconds without a message after which nothing is published any more; or intervals, if they are longer."""

_TURN: Final = 50
"""Messages that are taken at a time: about 3 ms."""

_FOLLOW: Final = 10.0
"""Seconds that the daemon is to wait for new lines of output."""

_NOT_ALLOWED: Final = 5


class Session:
    """One daemon, followed. `run` does it until it is cancelled.

    Attributes:
        model: what is known.
        status: how things stand.
        asked: how often the daemon has told figures because it was asked.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tunnel: Tunnel | None = None,
        on_change: Callable[[], object] = lambda: None,
    ) -> None:
        """Keep what is given.

        Args:
            tunnel: leads to the host of the daemon; not closed here.
            on_change: called on the loop after each change, many times in a row.
        """
        self.model = Model()
        self.status = Status(since=time.monotonic())
        self.asked = 0
        self._settings = settings
        self._tunnel = tunnel
        self._on_change = on_change
        self._client: AsyncCircusClient | None = None
        self._streaming: asyncio.Task[None] | None = None
        self._stream_endpoint: str | None = None
        self._told_endpoint: str | None = None
        self._heard_at = -float("inf")
        self._name: str | None = None
        self._heard_name: str | None = None
        self._is_doubtful = asyncio.Event()
        self._changed_watchers: set[str] = set()
        self._has_changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the daemon until this is cancelled."""
        expiry = asyncio.create_task(self._expire())
        try:
            if self._settings.endpoint is not None:
                self._hear_stream(self._settings.endpoint)
            await self._follow()
        finally:
            for task in (expiry, self._streaming):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    def use_tunnel(self, tunnel: Tunnel) -> None:
        """Go on through a new login, the old one being closed."""
        self._tunnel = tunnel
        self.status.is_login_over = False
        if self._client is not None:
            self._client.close()
        endpoint, self._stream_endpoint = self._stream_endpoint, None
        if endpoint is not None:
            self._hear_stream(endpoint)

    # -- to act ------------------------------------------------------------------------------------------

    async def send(self, command: str, *, timeout: float, **properties: Any) -> dict[str, Any]:
        """Have the daemon carry something out, over the connection that there is.

        Raises:
            CircusError: it refused or did not answer, or there is no connection.
        """
        if self._client is None or self.status.state is not State.UP:
            raise UnreachableError(self.status.trouble or "there is no connection to the daemon yet")
        return await self._client.send(command, timeout=timeout, **properties)

    async def output(self, watcher: str, lines: int) -> AsyncIterator[Mapping[str, Any]]:
        """Yield answers to `logs` of a watcher: the last lines, then what comes.

        Raises:
            CircusError: the daemon refused, or is gone.
        """
        reply = await self.send("logs", timeout=PATIENCE, name=watcher, lines=lines, unfinished=True)
        while True:
            yield reply
            if reply.get("ended"):
                return
            reply = await self.send(
                "logs", timeout=_FOLLOW + PATIENCE, name=watcher, after=reply["cursor"], wait=_FOLLOW
            )

    # -- the daemon --------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                async with AsyncCircusClient(
                    self._settings.control, timeout=PATIENCE, tunnel=self._tunnel
                ) as client:
                    await self._stay(client)
            except* CircusError as errors:
                self._lose(errors)
            finally:
                self._client = None
            await asyncio.sleep(_RETRY)

    def _ask_nobody(self) -> None:
        self.model.forget_daemon()
        self._change_state(State.NOT_ASKED)
        self.status.refusal = "it is not known which daemon this is: give its --control endpoint"
        self._on_change()

    def _lose(self, errors: BaseExceptionGroup[CircusError]) -> None:
        if not self._settings.may_ask_any_daemon and self.status.state is not State.UP:
            self._ask_nobody()
            return
        error = _first(errors)
        trouble = clean(error)
        if isinstance(error, UnreachableError):
            trouble = f"no answer from {clean(self._settings.control)}"
        if self._tunnel is not None and not self._tunnel.is_open:
            trouble = f"the login at {clean(self._tunnel.server)} has ended"
            self.status.is_login_over = True
        self._change_state(State.LOST, trouble)
        self.model.forget_listing()
        if self.status.feed is Feed.ASKED:
            self.status.feed = Feed.NOTHING
        self._on_change()

    def _change_state(self, state: State, trouble: str = "") -> None:
        if state is not self.status.state:
            self.status.since = time.monotonic()
        self.status.state, self.status.trouble = state, trouble

    async def _stay(self, client: AsyncCircusClient) -> None:
        """Follow the daemon as long as it answers; raises what ends that."""
        if not await self._is_meant(client):
            self._ask_nobody()
            await asyncio.Event().wait()  # nothing more to do, until we are cancelled
        async with client.events("watcher.") as events:
            await self._look(client)
            self._client = client
            self._change_state(State.UP)
            self._on_change()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear_events(events))
                tasks.create_task(self._ask_states(client))
                tasks.create_task(self._ask_figures(client))
                tasks.create_task(self._ask_about_changes(client))
                tasks.create_task(self._tell_apart(client))
                if self._tunnel is not None:
                    tasks.create_task(self._watch_login(self._tunnel))

    async def _watch_login(self, tunnel: Tunnel) -> None:
        """Wait for the end of the login; raises CallError then."""
        loop, descriptor = asyncio.get_running_loop(), tunnel.fileno()
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()  # as long as it takes
        finally:
            loop.remove_reader(descriptor)
        raise CallError(f"the login at {tunnel.server} has ended")

    async def _is_meant(self, client: AsyncCircusClient) -> bool:
        """Ask where the statistics are, and hear them; False if they are not those that were asked for."""
        options = await self._ask_who_it_is(client)
        told = options.get("stats_endpoint")
        endpoint = reachable(told, client.endpoint) if isinstance(told, str) else None
        if self._settings.endpoint is None:
            self._told_endpoint = endpoint
            return True
        self._hear_stream(self._settings.endpoint)  # if that has failed
        if self._settings.may_ask_any_daemon:
            return True
        return endpoint == self._settings.endpoint and self._heard_name in (None, self._name)

    async def _ask_who_it_is(self, client: AsyncCircusClient) -> Mapping[str, Any]:
        """Find out how the daemon is called in messages; returns its options."""
        options = _mapping(await client.send("globaloptions"), "options")
        with suppress(RefusedError):
            pid = whole_of(_mapping(await client.send("dstats"), "info").get("pid"))
            endpoint = options.get("endpoint")
            self._name = name_of_daemon(pid, endpoint) if pid and isinstance(endpoint, str) else None
        return options

    async def _tell_apart(self, client: AsyncCircusClient) -> None:
        """When another daemon's figures are heard, ask again who this one is: it may be new.

        Raises CallError if the other one is meant.
        """
        while True:
            await self._is_doubtful.wait()
            self._is_doubtful.clear()
            await self._ask_who_it_is(client)
            if not self._is_ours(self._heard_name) and not self._settings.may_ask_any_daemon:
                raise CallError(f"the statistics are not of the daemon at {self._settings.control}")
            await asyncio.sleep(_HEARTBEAT)

    def _is_ours(self, name: str | None) -> bool:
        return name is None or self._name is None or name == self._name

    async def _look(self, client: AsyncCircusClient) -> None:
        """Ask for all there is: statuses first, which say what there is no more."""
        await self._ask_status(client)
        await self._ask_sockets(client)
        await self._describe(client, name="*", match="glob")
        await self._ask_past(client)

    async def _ask_status(self, client: AsyncCircusClient, timeout: float = PATIENCE) -> None:
        reply = await client.send("status", timeout=timeout)
        self.model.apply_statuses(_mapping(reply, "statuses"), _mapping(reply, "reasons"), time.monotonic())
        self._hear_what_was_told()

    def _hear_what_was_told(self) -> None:
        """Hear the stream where the daemon says, if it has one: else that of another daemon may be there."""
        if self._told_endpoint is not None and STATS_WATCHER in self.model.watchers:
            self._hear_stream(self._told_endpoint)

    async def _ask_sockets(self, client: AsyncCircusClient) -> None:
        sockets = (await client.send("listsockets")).get("sockets")
        told = [each for each in sockets if isinstance(each, dict)] if isinstance(sockets, list) else []
        self.model.apply_sockets(told, time.monotonic())

    async def _describe(self, client: AsyncCircusClient, **properties: Any) -> None:
        """Ask what only some may ask, which tells too whether anything can be done."""
        try:
            reply = await client.send("describe", **properties)
        except RefusedError as error:
            if error.errno == _NOT_ALLOWED:
                self.status.refusal = f"not allowed: {clean(str(error).partition(': ')[2] or error)}"
            return
        self.status.refusal = ""
        for description in _mapping(reply, "descriptions").values():
            self.model.apply_description(description, time.monotonic())

    async def _ask_past(self, client: AsyncCircusClient) -> None:
        """Ask what the figures were before we came; not every daemon knows."""
        try:
            reply = await client.send("history", seconds=PAST, series="cpu,mem")
        except CallError:
            return
        for name, past in _mapping(reply, "histories").items():
            series, step = _mapping(past, "series"), whole_of(past.get("step"))
            cpu, mem = _known(series.get("cpu"), step), _known(series.get("mem"), step)
            self.model.apply_past(name, cpu, mem)

    async def _hear_events(self, events: Any) -> None:
        async for event in events:
            name, action = event.watcher, event.action
            self.model.apply_event(name, action, event.payload, time.monotonic())
            self._changed_watchers.add(form_of(name))
            self._has_changed.set()
            self._on_change()

    async def _ask_states(self, client: AsyncCircusClient) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            await self._ask_status(client, timeout=_SILENCE)
            self._on_change()

    async def _ask_about_changes(self, client: AsyncCircusClient) -> None:
        """Ask for the restarts and ends of watchers that events were about."""
        while True:
            await self._has_changed.wait()
            await asyncio.sleep(_SETTLE)
            self._has_changed.clear()
            names = self._named(self._changed_watchers)
            self._changed_watchers.clear()
            started = time.monotonic()
            await self._ask_sockets(client)
            for name in names:
                if not self.status.refusal:
                    await self._describe(client, name=name)
            self._on_change()
            await asyncio.sleep(_REST * (time.monotonic() - started))

    def _named(self, forms: set[str]) -> list[str]:
        found = (each for form in sorted(forms) for each in self.model.of_form(form))
        return [each.name for each in found if each.is_listed]

    async def _ask_figures(self, client: AsyncCircusClient) -> None:
        """Ask what processes cost, as long as nobody publishes it."""
        while True:
            silence = time.monotonic() - self._heard_at
            if silence < self._stream_limit():
                await asyncio.sleep(self._stream_limit() - silence)
                continue
            started = time.monotonic()
            await self._ask_figures_once(client)
            took = time.monotonic() - started
            await asyncio.sleep(max(self._settings.interval, _REST * took))

    async def _ask_figures_once(self, client: AsyncCircusClient) -> None:
        infos = _mapping(await client.send("stats"), "infos")
        own = _mapping(await client.send("dstats"), "info")
        if time.monotonic() - self._heard_at < self._stream_limit():
            return  # the stream, which tells more, has come meanwhile
        self.model.apply_infos(infos, time.monotonic())
        self.model.apply_own(own, time.monotonic())
        self.asked += 1
        self.status.feed = Feed.ASKED
        self._on_change()

    # -- the stream of statistics ------------------------------------------------------------------------

    def _stream_limit(self) -> float:
        return max(_STREAM_LIMIT, _STREAM_LIMIT * (self.model.interval or 0.0))

    def _hear_stream(self, endpoint: str) -> None:
        """Hear what is published there, and no more what was before."""
        if endpoint == self._stream_endpoint:
            return
        self._stream_endpoint = endpoint
        if self._streaming is not None:
            self._streaming.cancel()
        self._streaming = asyncio.create_task(self._stream(endpoint))

    async def _stream(self, endpoint: str) -> None:
        """Hear without end: ZeroMQ connects anew by itself. What can't be understood is left out."""
        try:
            async with AsyncStatsClient(endpoint, tunnel=self._tunnel) as messages:
                while True:
                    with suppress(CircusError):
                        await self._take_all(messages)
        except CircusError as error:
            self.status.trouble = clean(error)
            self._stream_endpoint = None  # to be tried again when the daemon is back
            self._on_change()

    async def _take_all(self, messages: AsyncIterator[Message]) -> None:
        """Take messages without end; what is typed goes first, however many there are."""
        taken = 0
        async for message in messages:
            self._take(message)
            taken += 1
            if taken % _TURN == 0:
                await asyncio.sleep(0)

    def _take(self, message: Message) -> None:
        self._heard_name = message.daemon
        if not self._is_ours(message.daemon):
            self._is_doubtful.set()
            if self._settings.may_ask_any_daemon:
                self._leave_out(message)
                return
        self._heard_at = time.monotonic()
        self.status.feed, self.status.stranger = Feed.STREAM, ""
        self.model.apply_stat(message.watcher, message.subtopic, message.stat, self._heard_at)
        self._on_change()

    def _leave_out(self, message: Message) -> None:
        """Note that this is another daemon's; what was taken before it was known who ours is goes too."""
        self.status.stranger = message.daemon or ""
        if self.status.feed is Feed.STREAM:
            self.status.feed, self._heard_at = Feed.NOTHING, -float("inf")
            self.model.forget_figures()
            self._on_change()

    async def _expire(self) -> None:
        """Leave out what is gone; but nothing only because nobody tells of anything."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            limit = max(self._settings.process_timeout, _STREAM_LIMIT * (self.model.interval or 0.0))
            if self.status.feed is not Feed.STREAM:
                continue
            if now - self._heard_at >= self._stream_limit():
                self.status.feed = Feed.NOTHING
            else:
                self.model.expire(now, limit)
            self._on_change()


def _mapping(reply: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = reply.get(key)
    return found if isinstance(found, Mapping) else {}


def _known(values: object, step: int | None) -> list[float | None]:
    """Return a number for each second, without the time before the first and after the last.

    Args:
        step: seconds that each value is about.
    """
    found = [number_of(value) for value in values] if isinstance(values, list) else []
    known = [at for at, value in enumerate(found) if value is not None]
    told = found[known[0] : known[-1] + 1] if known else []
    return [value for value in told for _ in range(min(step or 1, PAST))]


def _first(errors: BaseExceptionGroup[CircusError]) -> BaseException:
    """Return one of the errors in a group of groups."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
