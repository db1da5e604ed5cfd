"""The live data of all pages: who has subscribed to what, and when something is sent."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from circus_httpd.access import Identity
from circus_httpd.daemon import Daemon
from circus_httpd.daemons import Daemons
from circus_httpd.log_reader import follow_lines
from circus_httpd.problems import Problem
from circus_httpd.subscriptions import DocumentSubscription, EventsSubscription, Subscription
from circus_httpd.topics import Document, Place, Topic, as_json

__all__ = ["TOO_MANY", "WHO_ARE_YOU", "Live", "Page"]

_logger = logging.getLogger("circus")

_INTERVAL: Final = 1.0
_GATHER: Final = 0.1
_REST: Final = 4
"""Times as long as publishing took there is nothing published, however much happens."""

_MOST_PAGES: Final = 128
"""Of each role: who may only look takes no place from who may do more."""

_MOST_SUBSCRIPTIONS: Final = 64
_LONGEST_ID: Final = 64
_LINES: Final = 500
_MOST_LINES: Final = 100_000
_ANEW: Final = 2.0

WHO_ARE_YOU: Final = 4401
TOO_MANY: Final = 4408

_DOCUMENTS: Final[Mapping[str, Topic]] = {
    "daemons": "daemons",
    "overview": "overview",
    "watcher": "watcher",
    "sockets": "sockets",
}


@dataclass(slots=True)
class _LogsSubscription:
    """Output goes to the page from a task of its own: it is asked for when the page can take it."""

    task: asyncio.Task[None]

    def messages(self, now: float) -> Any:
        return iter(())

    def resync(self) -> None:
        """Nothing to do: lines have no snapshot."""

    def close(self) -> None:
        self.task.cancel()


class Page:
    """One websocket. At most one batch of messages is on its way.

    Attributes:
        identity: who looks.
        subscriptions: by the id that the page has chosen.
    """

    def __init__(
        self, identity: Identity, write: Callable[[str], Awaitable[None]], close: Callable[[int, str], None]
    ) -> None:
        """Args:
        write: sends a text and returns when it is on its way; raises when there is nobody any more.
        close: ends the connection with a code and a reason.
        """
        self.identity = identity
        self.subscriptions: dict[str, Subscription] = {}
        self.close = close
        self._write = write
        self._notes: deque[str] = deque(maxlen=_MOST_SUBSCRIPTIONS)
        self._is_free = asyncio.Event()
        self._is_free.set()
        self._sending: asyncio.Task[None] | None = None

    def tell(self, message: Mapping[str, Any]) -> None:
        """Put a message into the next batch. A page that takes none loses the oldest."""
        self._notes.append(as_json({key: value for key, value in message.items() if value is not None}))

    def flush(self, now: float) -> None:
        """Send what is new, unless something is still on its way."""
        if not self._is_free.is_set():
            return
        messages = list(self._notes)
        self._notes.clear()
        for subscription in self.subscriptions.values():
            messages += subscription.messages(now)
        if messages:
            self._is_free.clear()
            self._sending = asyncio.ensure_future(self._send(messages))

    async def send(self, message: str) -> None:
        """Send one message when nothing else is on its way any more."""
        while not self._is_free.is_set():
            await self._is_free.wait()
        self._is_free.clear()
        await self._send([message])

    def abandon(self) -> None:
        """Forget everything; the connection has ended."""
        for subscription in self.subscriptions.values():
            subscription.close()
        self.subscriptions.clear()
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self, messages: list[str]) -> None:
        try:
            for message in messages:
                await self._write(message)
        except ConnectionError:
            pass  # the end of the connection is told apart from this
        finally:
            self._is_free.set()


class Live:
    """All pages. Nothing is done while there is none. Belongs to the loop."""

    def __init__(self, daemons: Daemons, *, is_valid: Callable[[Identity], bool]) -> None:
        """`is_valid` tells whether somebody is still logged in."""
        self._daemons = daemons
        self._is_valid = is_valid
        self._pages: set[Page] = set()
        self._documents: dict[Place, Document] = {}
        self._has_changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Something may look different: look, sooner than it would be done anyway."""
        self._has_changed.set()

    def add(self, page: Page) -> bool:
        """Take a page in, and greet it; False if there are too many."""
        if sum(other.identity.role == page.identity.role for other in self._pages) >= _MOST_PAGES:
            return False
        self._pages.add(page)
        page.tell(
            {
                "type": "hello",
                "version": version("circus-httpd"),
                "role": page.identity.role,
                "now": round(time.time(), 3),
                "interval": _INTERVAL,
            }
        )
        self.changed()
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
        return True

    def remove(self, page: Page) -> None:
        page.abandon()
        self._pages.discard(page)

    async def close(self) -> None:
        """End all connections: 1001, going away."""
        for page in list(self._pages):
            page.close(1001, "circushttpd ends")
            self.remove(page)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- what pages say ----------------------------------------------------------------------------------

    def hear(self, page: Page, text: str | bytes) -> None:
        """Do what a page asks for, or tell it what is wrong with that."""
        id_: str | None = None
        try:
            message = _parse(text)
            id_ = _id_of(message)
            self._obey(page, id_, message)
        except Problem as problem:
            told = {"type": "problem", "id": id_, "status": problem.status, "detail": problem.detail}
            page.tell(told)
        self.changed()

    def _obey(self, page: Page, id_: str, message: Mapping[str, Any]) -> None:
        known = page.subscriptions.get(id_)
        match message.get("type"):
            case "subscribe":
                fresh = self._subscribe(page, id_, message)
                self._drop(page, id_)
                page.subscriptions[id_] = fresh
            case "unsubscribe":
                self._drop(page, id_)
            case "resync":
                if known is not None:
                    known.resync()
            case other:
                raise Problem(422, f"type must be subscribe, unsubscribe or resync, got {str(other)[:50]!r}")

    def _subscribe(self, page: Page, id_: str, message: Mapping[str, Any]) -> Subscription:
        if id_ not in page.subscriptions and len(page.subscriptions) >= _MOST_SUBSCRIPTIONS:
            raise Problem(422, f"{_MOST_SUBSCRIPTIONS} subscriptions are enough; unsubscribe from one")
        topic = message.get("topic")
        if topic == "events":
            return EventsSubscription(id_, self._daemon(message), _whole(message, "after", 0))
        if topic == "logs":
            return self._subscribe_logs(page, id_, message)
        if not isinstance(topic, str) or topic not in _DOCUMENTS:
            raise Problem(
                422, f"topic must be one of {', '.join(_DOCUMENTS)}, events, logs, got {str(topic)[:50]!r}"
            )
        return self._subscribe_document(page, id_, _DOCUMENTS[topic], message)

    def _subscribe_document(
        self, page: Page, id_: str, topic: Topic, message: Mapping[str, Any]
    ) -> DocumentSubscription:
        role = page.identity.role
        daemons = list(self._daemons) if topic == "daemons" else [self._daemon(message)]
        place = Place(topic, role, "" if topic == "daemons" else daemons[0].id)
        if topic == "watcher":
            name = _text(message, "watcher")
            if name is None:
                raise Problem(422, "watcher is missing: the name of one")
            place = Place(topic, role, daemons[0].id, name)
        document = self._documents.setdefault(place, Document())
        return DocumentSubscription(id_, place, document, daemons, asyncio.get_running_loop().time())

    def _subscribe_logs(self, page: Page, id_: str, message: Mapping[str, Any]) -> Subscription:
        stream = _text(message, "stream")
        if stream not in (None, "stdout", "stderr"):
            raise Problem(422, f"stream must be stdout or stderr, got {stream[:50]!r}")
        lines = min(_whole(message, "lines", _LINES), _MOST_LINES)
        work = _send_lines(
            page, id_, self._daemon(message), watcher=_text(message, "watcher"), stream=stream, lines=lines
        )
        return _LogsSubscription(asyncio.ensure_future(work))

    def _drop(self, page: Page, id_: str) -> None:
        subscription = page.subscriptions.pop(id_, None)
        if subscription is not None:
            subscription.close()

    def _daemon(self, message: Mapping[str, Any]) -> Daemon:
        name = _text(message, "daemon")
        if name is None:
            raise Problem(422, "daemon is missing: the id of one, or main")
        return self._daemons.get(name)

    # -- what pages hear ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pages:
            with suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL):
                    await self._has_changed.wait()
                    await asyncio.sleep(_GATHER)
            self._has_changed.clear()
            began = loop.time()
            try:
                self._publish(began)
            except Exception:
                _logger.exception("live data")
            await asyncio.sleep(_REST * (loop.time() - began))

    def _publish(self, now: float) -> None:
        for daemon in self._daemons:
            daemon.forget_old_figures()
        for page in list(self._pages):
            if not self._is_valid(page.identity):
                page.close(WHO_ARE_YOU, "the session has ended")
                self.remove(page)
        self._update_documents()
        for page in self._pages:
            page.flush(now)

    def _update_documents(self) -> None:
        wanted = {
            subscription.place
            for page in self._pages
            for subscription in page.subscriptions.values()
            if isinstance(subscription, DocumentSubscription)
        }
        for place in self._documents.keys() - wanted:
            del self._documents[place]
        for place in wanted:
            self._documents[place].update(self._look_up_apart(place))

    def _look_up_apart(self, place: Place) -> Mapping[str, Any] | None:
        """Return what a document is now; None if it can't be made, so that it holds back no other one."""
        try:
            return self._look_up(place)
        except Exception as error:  # noqa: BLE001 - whatever the answers of a stranger lead to
            document = self._documents[place]
            if document.is_there or document.version == 0:
                _logger.error(
                    "what daemon %s tells of its %s is not understood: %r", place.daemon, place.topic, error
                )
            return None

    def _look_up(self, place: Place) -> Mapping[str, Any] | None:
        if place.topic == "daemons":
            return self._daemons.document()
        try:
            daemon = self._daemons.get(place.daemon)
        except Problem:
            return None
        if place.topic == "overview":
            return daemon.overview(place.role)
        if place.topic == "sockets":
            return daemon.sockets()
        return daemon.watcher(place.watcher, place.role)


async def _send_lines(
    page: Page, id_: str, daemon: Daemon, *, watcher: str | None, stream: str | None, lines: int
) -> None:
    """Send output until cancelled."""
    while True:
        try:
            async for found in follow_lines(daemon, watcher=watcher, stream=stream, lines=lines):
                message = {key: found[key] for key in ("lines", "lost", "missing", "ended")}
                await page.send(as_json({"type": "lines", "id": id_, **message}))
        except Problem as problem:
            await page.send(as_json({"type": "gone", "id": id_, "detail": problem.detail}))
        await asyncio.sleep(_ANEW)


def _parse(text: str | bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem(400, "a message must be JSON") from None
    if not isinstance(message, dict):
        raise Problem(400, "a message must be a JSON object")
    return message


def _id_of(message: Mapping[str, Any]) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= _LONGEST_ID:
        raise Problem(422, f"id must be a text of 1 to {_LONGEST_ID} characters")
    return id_


def _text(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        raise Problem(422, f"{key} must be a text")
    return value


def _whole(message: Mapping[str, Any], key: str, default: int) -> int:
    value = message.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Problem(422, f"{key} must be a whole number >= 0")
    return value
