"""The websocket: snapshots, deltas, events, output, and what becomes of slow pages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from circus_core.testing import Daemon, StandInDaemon, until
from circus_httpd.access import Identity
from circus_httpd.live import Page as ServedPage
from circus_httpd.subscriptions import DocumentSubscription
from circus_httpd.topics import Document, Place

from .dashboards import Dashboard, by_hand, tokens_in
from .test_merge_patch import apply

pytestmark = pytest.mark.slow

DEADLINE = 90.0


class Page:
    """What a page keeps: documents by the id of their subscription, and messages of other kinds."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.documents: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}

    async def say(self, type_: str, id_: str, topic: str | None = None, **about: Any) -> None:
        message = {"type": type_, "id": id_, **({} if topic is None else {"topic": topic}), **about}
        await self.connection.write_message(json.dumps(message))

    async def see(self, topic: str, id_: str = "x", daemon: str = "main", **about: Any) -> None:
        await self.say("subscribe", id_, topic, daemon=daemon, **about)

    async def hear(self) -> dict[str, Any]:
        text = await asyncio.wait_for(self.connection.read_message(), DEADLINE)
        assert text is not None, f"closed: {self.connection.close_code}"
        message: dict[str, Any] = json.loads(text)
        self.messages.append(message)
        if message["type"] in ("snapshot", "delta", "gone"):
            self._take(message)
        return message

    def _take(self, message: Mapping[str, Any]) -> None:
        id_ = message["id"]
        if message["type"] == "gone":
            self.documents[id_] = None
            return
        if message["type"] == "snapshot":
            self.documents[id_] = message["data"]
        else:
            assert message["seq"] == self._numbers[id_] + 1
            self.documents[id_] = apply(message["data"], self.documents[id_])
        self._numbers[id_] = message["seq"]

    async def until(self, claim: Callable[[Any], object], id_: str = "x") -> Any:
        """Take messages until the document is so; one that has not yet what is looked for is not."""

        def is_so() -> object:
            with suppress(KeyError):
                return claim(self.documents[id_])
            return False

        async def take() -> Any:
            while not is_so():
                await self.hear()
            return self.documents[id_]

        try:
            return await asyncio.wait_for(take(), DEADLINE)
        except TimeoutError:
            raise AssertionError(f"it never was so: {self.documents.get(id_)}") from None

    async def until_message(self, claim: Callable[[Mapping[str, Any]], object]) -> Mapping[str, Any]:
        async def take() -> Mapping[str, Any]:
            while not claim(message := await self.hear()):
                pass
            return message

        return await asyncio.wait_for(take(), DEADLINE)


@asynccontextmanager
async def page(url: str, headers: Mapping[str, str]) -> AsyncIterator[Page]:
    request = HTTPRequest(f"{url.replace('http', 'ws')}api/live", headers=dict(headers))
    connection = await websocket_connect(request)
    shown = Page(connection)
    assert (await shown.hear())["type"] == "hello"
    try:
        yield shown
    finally:
        connection.close()
        while await connection.read_message() is not None:
            pass
        connection.stream.close()


def look(dashboard: Dashboard, work: Callable[[Page], Awaitable[None]], *, role: str = "full") -> None:
    """Open a page and do something with it."""

    async def run() -> None:
        visitor = dashboard.full if role == "full" else dashboard.read
        async with page(dashboard.url, visitor.headers) as shown:
            await work(shown)

    asyncio.run(run())


def test_the_overview_follows_the_daemon(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("overview")
        await shown.until(lambda doc: doc["watchers"]["web"]["running"] == 2)
        call = dashboard.daemon.call
        await asyncio.to_thread(call, "incr", name="web", waiting=True)
        await shown.until(lambda doc: doc["watchers"]["web"]["running"] == 3)
        assert shown.messages[-1]["type"] == "delta"
        assert len(json.dumps(shown.messages[-1])) < 1500
        await asyncio.to_thread(call, "decr", name="web", waiting=True)
        await asyncio.to_thread(call, "stop", name="web", waiting=True)
        stopped = await shown.until(lambda doc: doc["watchers"]["web"]["state"] == "stopped")
        assert stopped["watchers"]["web"]["running"] == 0
        await asyncio.to_thread(call, "start", name="web", waiting=True)
        await shown.until(lambda doc: doc["watchers"]["web"]["state"] == "active")
        await asyncio.to_thread(call, "add", name="<b>new</b>", cmd="sleep 9")
        await shown.until(lambda doc: "<b>new</b>" in doc["watchers"])
        await asyncio.to_thread(call, "rm", name="<b>new</b>")
        await shown.until(lambda doc: "<b>new</b>" not in doc["watchers"])

    look(dashboard, work)


def test_figures_come_in_and_only_what_changes_is_sent(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("overview")
        document = await shown.until(
            lambda doc: doc["daemon"]["stats"]["is_on"] and doc["watchers"]["web"].get("memory")
        )
        assert "null" not in json.dumps(document)
        begin = len(shown.messages)
        await shown.until_message(lambda message: message["type"] == "delta")
        await shown.until_message(lambda message: message["type"] == "delta")
        for message in shown.messages[begin:]:
            assert "cmd" not in json.dumps(message)

    look(dashboard, work)


def test_a_watcher_is_followed_with_its_processes(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("watcher", watcher="web")
        document = await shown.until(lambda doc: len(doc["processes"]) == 2)
        victim = next(iter(document["processes"]))
        os.kill(int(victim), signal.SIGKILL)
        after = await shown.until(lambda doc: victim not in doc["processes"] and len(doc["processes"]) == 2)
        assert after["exits"][-1]["pid"] == int(victim)
        assert after["exits"][-1]["exit_code"] == -signal.SIGKILL
        await shown.until(lambda doc: all("cpu" in each for each in doc["processes"].values()))

    look(dashboard, work)


def test_what_is_not_there_is_gone_until_it_comes(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("watcher", watcher="later")
        await shown.until_message(lambda message: message["type"] == "gone")
        await asyncio.to_thread(dashboard.daemon.call, "add", name="later", cmd="sleep 9")
        await shown.until(lambda doc: doc is not None and doc["name"] == "later")
        await asyncio.to_thread(dashboard.daemon.call, "rm", name="later")
        await shown.until(lambda doc: doc is None)

    look(dashboard, work)


def test_who_may_only_look_gets_less(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("overview")
        document = await shown.until(lambda doc: doc["watchers"])
        assert document["watchers"]["broken"]["cmd"] == "/does/not/exist"

    look(dashboard, work, role="read")


def test_sockets_and_daemons_are_documents_too(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("sockets", "s")
        await shown.see("daemons", "d")
        sockets = await shown.until(lambda doc: "reads" in doc["sockets"]["web"], "s")
        assert sockets["sockets"]["web"]["host"] == "127.0.0.1"
        daemons = await shown.until(lambda doc: doc["order"], "d")
        assert daemons["daemons"][daemons["order"][0]]["state"] == "up"
        await shown.say("unsubscribe", "s")
        await shown.say("resync", "d")
        await shown.until_message(lambda message: message["type"] == "snapshot" and message["id"] == "d")

    look(dashboard, work)


def test_events_come_as_a_stream_and_go_on_behind_the_last_known(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("events", "e")
        first = await shown.until_message(lambda message: message["type"] == "events")
        assert first["missed"] == 0
        await asyncio.to_thread(dashboard.daemon.watcher("Talker One").do, "restart")
        seen: list[Any] = []
        while sum(event["action"] == "spawn" for event in seen) < 2:
            seen += (await shown.until_message(lambda message: message["type"] == "events"))["events"]
        ids = [event["id"] for event in seen]
        assert ids == list(range(first["last"] + 1, first["last"] + 1 + len(ids)))
        assert {event["watcher"] for event in seen if event["action"] == "spawn"} == {"Talker One"}
        await shown.see("events", "again", after=ids[-1] - 1)
        again = await shown.until_message(lambda message: message.get("id") == "again")
        assert again["events"][0]["id"] == ids[-1]

    look(dashboard, work)


def test_output_is_followed(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        await shown.see("logs", "l", watcher="Talker One", stream="stdout", lines=2)
        first = await shown.until_message(lambda message: message["type"] == "lines" and message["lines"])
        assert len(first["lines"]) <= 2
        await asyncio.to_thread(dashboard.daemon.watcher("Talker One").do, "restart")
        seen: set[str] = set()
        while len(seen) < 2:
            found = await shown.until_message(lambda message: message["type"] == "lines")
            seen |= {line["message"] for line in found["lines"]}
        assert seen == {"out 1", "out 2"}
        await shown.see("logs", "m", watcher="nobody")
        gone = await shown.until_message(lambda message: message.get("id") == "m")
        assert (gone["type"], "not found" in gone["detail"]) == ("gone", True)

    look(dashboard, work)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 30_000,
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": 3}',
        '{"type": "subscribe", "id": "a"}',
        '{"type": "subscribe", "id": "a", "topic": "secrets", "daemon": "main"}',
        '{"type": "subscribe", "id": "a", "topic": ["overview"], "daemon": "main"}',
        '{"type": "subscribe", "id": "a", "topic": "overview"}',
        '{"type": "subscribe", "id": "a", "topic": "overview", "daemon": "nobody"}',
        '{"type": "subscribe", "id": "a", "topic": "watcher", "daemon": "main"}',
        '{"type": "subscribe", "id": "a", "topic": "watcher", "daemon": "main", "watcher": 3}',
        '{"type": "subscribe", "id": "a", "topic": "events", "daemon": "main", "after": -1}',
        '{"type": "subscribe", "id": "a", "topic": "logs", "daemon": "main", "stream": "both"}',
        '{"type": "dance", "id": "a"}',
    ],
)
def test_what_is_not_understood_is_answered(dashboard: Dashboard, text: str) -> None:
    async def work(shown: Page) -> None:
        await shown.connection.write_message(text)
        problem = await shown.until_message(lambda message: message["type"] == "problem")
        assert 400 <= problem["status"] < 500
        assert problem["detail"]

    look(dashboard, work)


def test_subscriptions_are_bounded(dashboard: Dashboard) -> None:
    async def work(shown: Page) -> None:
        for number in range(65):
            await shown.see("overview", str(number))
        problem = await shown.until_message(lambda message: message["type"] == "problem")
        assert problem["id"] == "64"

    look(dashboard, work)


def test_a_page_that_does_not_read_gets_the_newest_state_and_no_queue() -> None:
    async def run() -> list[str]:
        sent: list[str] = []
        taken = asyncio.Semaphore(0)

        async def write(text: str) -> None:
            sent.append(text)
            await taken.acquire()

        document = Document()
        page = ServedPage(Identity("full"), write, lambda code, reason: None)
        page.subscriptions["a"] = DocumentSubscription("a", Place("daemons", "full"), document, [], 0.0)
        for number in range(100):
            document.update({"number": number, "name": "x"})
            page.flush(0.0)
            await asyncio.sleep(0)
        assert len(sent) == 1
        taken.release()
        while len(sent) < 2:
            page.flush(0.0)
            await asyncio.sleep(0)
        document.update({"number": 100, "name": "x"})
        taken.release()
        while len(sent) < 3:
            page.flush(0.0)
            await asyncio.sleep(0)
        page.abandon()
        return sent

    first, second, third = map(json.loads, asyncio.run(run()))
    assert first == {"type": "snapshot", "id": "a", "seq": 1, "data": {"number": 0, "name": "x"}}
    assert second == {"type": "snapshot", "id": "a", "seq": 2, "data": {"number": 99, "name": "x"}}
    assert third == {"type": "delta", "id": "a", "seq": 3, "data": {"number": 100}}


def test_the_page_catches_up_when_the_daemon_and_the_statistics_come_back(
    circusd: Callable[..., Daemon], tmp_path: Path
) -> None:
    sections = "[watcher:web]\ncmd = sh -c 'echo here; exec sleep 1000'\nstdout_stream.class = StdoutStream\n"
    stats = {"statsd": True, "stats_endpoint": f"ipc://{tmp_path}/stats"}
    daemon = circusd(sections, circus=stats)
    until(lambda: "statistics of circusd" in daemon.log(), daemon.log)

    async def run(url: str, token: str) -> None:
        async with page(url, {"Authorization": f"Bearer {token}"}) as shown:
            await shown.see("overview")
            await shown.see("logs", "l", watcher="web", lines=5)
            before = await shown.until(lambda doc: doc["watchers"]["web"].get("memory"))
            os.kill(before["daemon"]["services"]["circusd-stats"]["pid"], signal.SIGKILL)
            old = before["daemon"]["services"]["circusd-stats"]["pid"]
            await shown.until(
                lambda doc: doc["daemon"]["services"].get("circusd-stats", {}).get("pid", old) != old
            )
            await asyncio.to_thread(daemon.stop)
            await shown.until(lambda doc: doc["daemon"]["state"] == "down")
            await asyncio.to_thread(daemon.__enter__)
            after = await shown.until(
                lambda doc: doc["daemon"]["state"] == "up" and doc["watchers"]["web"].get("memory")
            )
            assert after["daemon"]["started"] > before["daemon"]["started"]
            assert after["watchers"]["web"]["since"] > before["watchers"]["web"]["since"]
            lines = [
                line for message in shown.messages if message["type"] == "lines" for line in message["lines"]
            ]
            while len(lines) < 2:
                lines += (await shown.until_message(lambda message: message["type"] == "lines"))["lines"]
            assert [line["message"] for line in lines] == ["here", "here"]
            await shown.see("events", "e")
            events = await shown.until_message(lambda message: message["type"] == "events")
            assert "reconnected" in {event["action"] for event in events["events"]}

    with by_hand(tmp_path / "h", "--endpoint", daemon.endpoint) as (url, state, _):
        asyncio.run(run(url, tokens_in(state)["full"]))


def test_a_daemon_that_tells_nonsense_holds_back_no_other_document(
    tmp_path: Path, stand_in_daemon: StandInDaemon
) -> None:
    daemon = stand_in_daemon
    daemon.replies |= {
        "describe": {"descriptions": {"web": {"state": "active"}}},  # it has no name
        "dstats": {"info": {"pid": 1, "create_time": 5.0}},
        "listsockets": {"sockets": []},
        "globaloptions": {"options": {"pubsub_endpoint": daemon.pubsub_endpoint}},
        "status": {"statuses": {"web": "active"}},
    }

    async def run(url: str, token: str) -> None:
        async with page(url, {"Authorization": f"Bearer {token}"}) as shown:
            await shown.see("overview", "a")
            await shown.say("subscribe", "b", "daemons")
            await shown.until(lambda document: document is None, "a")
            await shown.until(lambda document: document is not None, "b")

    with by_hand(tmp_path / "h", "--endpoint", daemon.endpoint) as (url, state, _):
        asyncio.run(run(url, tokens_in(state)["full"]))
        assert "is not understood: KeyError('name')" in (state / "circushttpd.log").read_text()


def test_figures_of_another_daemon_at_the_same_endpoint_are_not_shown(
    tmp_path: Path, dashboard: Dashboard, stand_in_daemon: StandInDaemon
) -> None:
    other, daemon = dashboard.daemon, stand_in_daemon
    stats = other.call("globaloptions")["options"]["stats_endpoint"]
    names = ("web", "circusd-stats")
    daemon.replies |= {
        "describe": {"descriptions": {name: {"name": name, "state": "active"} for name in names}},
        "dstats": {"info": {"pid": 1, "create_time": 5.0}},
        "listsockets": {"sockets": []},
        "globaloptions": {
            "options": {
                "endpoint": daemon.endpoint,
                "pubsub_endpoint": daemon.pubsub_endpoint,
                "stats_endpoint": stats,
            }
        },
        "status": {"statuses": dict.fromkeys(names, "active")},
    }

    async def run(url: str, token: str) -> None:
        async with page(url, {"Authorization": f"Bearer {token}"}) as shown:
            await shown.see("overview")
            told = f"the figures at {stats} are those of circusd {other.pid}: "
            found = await shown.until(lambda doc: doc["daemon"]["stats"]["problem"].startswith(told))
            assert "memory" not in found["watchers"]["web"]

    with by_hand(tmp_path / "h", "--endpoint", daemon.endpoint) as (url, state, _):
        asyncio.run(run(url, tokens_in(state)["full"]))


def test_nothing_is_asked_while_nobody_looks(tmp_path: Path, stand_in_daemon: StandInDaemon) -> None:
    daemon = stand_in_daemon
    daemon.replies |= {
        "describe": {"descriptions": {"web": {"name": "web", "state": "active"}}},
        "dstats": {"info": {"pid": 1, "create_time": 5.0}},
        "listsockets": {"sockets": []},
        "globaloptions": {"options": {"pubsub_endpoint": daemon.pubsub_endpoint}},
        "status": lambda properties: {"status": "ok", "statuses": {"web": "active"}},
    }

    async def run(url: str, token: str) -> None:
        async with page(url, {"Authorization": f"Bearer {token}"}) as shown:
            await shown.see("overview")
            await shown.until(lambda doc: doc["watchers"])
            until(lambda: len(daemon.asked("status")) >= 2)

    with by_hand(tmp_path / "h", "--endpoint", daemon.endpoint) as (url, state, _):
        asyncio.run(run(url, tokens_in(state)["full"]))

        def is_silent() -> bool:
            """Nothing is asked for longer than the two seconds between questions of those who look."""
            before, pause = len(daemon.requests), time.monotonic() + 2.2
            until(lambda: len(daemon.requests) > before or time.monotonic() > pause)
            return len(daemon.requests) == before

        until(is_silent)
