"""circus.arbiter.Arbiter on a loop of its host, and on one of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.ioloop import IOLoop, PeriodicCallback

import circus
from circus.arbiter import Arbiter
from circus.client import CircusClient
from circus.consumer import CircusConsumer
from circus.exc import AlreadyExist
from circus.sighandler import SysHandler
from circus.sockets import CircusSocket
from circus.util import check_future_exception_and_log
from circus.watcher import Watcher
from circus_core.testing.circusd import is_alive


@pytest.fixture
def own_loop() -> Iterator[None]:
    """Close the loop that an arbiter without a given one makes the current one of this thread."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loop = IOLoop.current(instance=False)
    if loop is not None:
        loop.close()
        asyncio.set_event_loop(None)


def made(folder: Path, *watchers: Watcher, **options: Any) -> Arbiter:
    return Arbiter(list(watchers), f"ipc://{folder}/control", f"ipc://{folder}/events", **options)


async def until_true(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not claim():
            await asyncio.sleep(0.01)


def test_it_runs_in_the_loop_of_its_host_and_does_what_it_did(tmp_path: Path) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}

    async def scenario() -> None:
        web = Watcher("Web", "sleep 1000", numprocesses=2, priority=1)
        arbiter = made(tmp_path, web, Watcher("late", "sleep 1000", autostart=False, priority=2))
        assert (arbiter.running, arbiter.statuses()) == (False, {"Web": "stopped", "late": "stopped"})
        assert await arbiter.start() is False
        assert {each: signal.getsignal(each) for each in before} == before
        assert (arbiter.running, arbiter.numwatchers(), arbiter.numprocesses()) == (True, 2, 2)
        assert arbiter.ctrl.loop is arbiter.loop is web.loop
        assert arbiter.statuses() == {"Web": "active", "late": "stopped"}
        assert arbiter.get_watcher("wEB") is web
        with pytest.raises(KeyError, match="nobody"):
            arbiter.get_watcher("nobody")
        assert [each.name for each in arbiter.iter_watchers()] == ["late", "Web"]
        assert [each.name for each in arbiter.iter_watchers(reverse=False)] == ["Web", "late"]
        await of_a_watcher(web)
        await of_more_watchers(arbiter)
        await of_all(arbiter, web)
        await arbiter.stop()
        assert (arbiter.running, arbiter.statuses()["Web"], web.pids) == (False, "stopped", [])

    asyncio.run(scenario())


async def of_a_watcher(web: Watcher) -> None:
    pids = web.pids
    assert [process.wid for process in web.processes.values()] == [1, 2]
    assert web.processes[pids[0]] is web.processes[pids[0]]
    assert set(web.info()) == set(web.get_active_pids()) == set(pids)
    assert web.process_info(pids[0])["pid"] == pids[0]
    with pytest.raises(KeyError):
        web.process_info(1)
    assert await web.incr() == 3
    assert await web.decr(5) == 0
    assert web.status() == "active"
    assert await web.set_numprocesses(2) == 2
    pids = web.pids
    assert await web.restart() == {"stopped": sorted(pids), "started": sorted(web.pids), "kept": []}
    pids = web.pids
    assert await web.reload() == {"stopped": sorted(pids), "started": sorted(web.pids), "kept": []}
    process = web.processes[web.pids[0]]
    killing = web.kill_process(process)
    assert process.stopping
    assert await web.kill_process(process) is False
    assert await killing is True
    assert process.pid not in web.pids
    assert await web.kill_process(process) is False
    web.send_signal(process.pid, signal.SIGTERM)  # it is gone, which does not matter
    killed = web.pids[0]
    web.send_signal(killed, signal.SIGKILL)
    await until_true(lambda: killed not in web.pids)
    await web.manage_processes()
    assert len(web) == 2
    action = web.set_opt("cmd", "sleep 1001")
    pids = web.pids
    await web.do_action(action)
    assert set(web.pids).isdisjoint(pids)
    # the system shows no command line in the instant in which a program takes the place of another
    told = [["sleep", "1001"]] * 2
    await until_true(lambda: [process.format_args() for process in web.processes.values()] == told)
    assert await web.do_action(web.set_opt("numprocesses", 1)) == 1
    with pytest.raises(ValueError, match="valid user name"):
        web.set_opt("uid", "nobody-at-all")


async def of_more_watchers(arbiter: Arbiter) -> None:
    more = arbiter.add_watcher("more", "sleep 1000", numprocesses=2)
    assert (more.status(), more in arbiter.watchers) == ("stopped", True)
    assert arbiter.get_watcher("more") is more
    with pytest.raises(AlreadyExist, match="'MORE' already exist"):
        arbiter.add_watcher("MORE", "sleep 1")
    with pytest.raises(ValueError, match="must not be empty"):
        arbiter.add_watcher("", "sleep 1")
    assert await more.start() == {"started": sorted(more.pids), "kept": []}  # numbers may begin anew
    pids = more.pids
    await arbiter.rm_watcher("more")
    assert more not in arbiter.watchers
    assert not any(map(is_alive, pids))
    with pytest.raises(KeyError):
        arbiter.rm_watcher("more")


async def of_all(arbiter: Arbiter, web: Watcher) -> None:
    arbiter.reap_processes()
    await arbiter.manage_watchers()
    pids = web.pids
    await arbiter.reload()
    assert set(web.pids).isdisjoint(pids)
    await arbiter.stop_watchers(lambda: [web])
    assert web.is_stopped()
    await arbiter.start_watcher(web)
    assert web.is_active()
    await arbiter.restart()
    assert web.is_active()
    await arbiter.stop_watchers()
    await arbiter.start_watchers()
    assert arbiter.statuses() == {"Web": "active", "late": "stopped"}


def test_clients_see_what_the_program_made_and_the_program_what_clients_make(tmp_path: Path) -> None:
    called: list[Arbiter] = []

    def ask() -> dict[str, Any]:
        client = CircusClient(endpoint=f"ipc://{tmp_path}/control", timeout=10)
        try:
            client.call(
                {"command": "add", "properties": {"name": "theirs", "cmd": "sleep 1000", "start": True}}
            )
            client.call({"command": "reload", "properties": {"waiting": True}})
            return client.call({"command": "list", "properties": {}})
        finally:
            client.stop()

    async def scenario() -> None:
        arbiter = made(tmp_path, Watcher("mine", "sleep 1000"), prereload_fn=called.append)
        await arbiter.start()
        reply = await asyncio.to_thread(ask)
        assert reply["watchers"] == ["mine", "theirs"]
        assert [each.name for each in arbiter.watchers] == ["mine", "theirs"]
        assert arbiter.get_watcher("theirs").status() == "active"
        assert called == [arbiter]
        await arbiter.stop()
        assert [each.name for each in arbiter.watchers] == ["mine", "theirs"]

    asyncio.run(scenario())


SAYS_HI = """
import socket, sys
listening = socket.socket(fileno=int(sys.argv[1]))
listening.setblocking(True)
listening.accept()[0].send(b"hi")
"""


def test_sockets_made_by_hand_are_bound_and_lent(tmp_path: Path) -> None:
    async def scenario() -> None:
        web = CircusSocket("web", port=0)
        words = ["-c", SAYS_HI, "$(circus.sockets.web)"]
        serves = Watcher("serves", sys.executable, words, use_sockets=True, respawn=False)
        arbiter = made(tmp_path, serves, sockets=[web])
        assert arbiter.get_socket("web") is web
        await arbiter.start()
        assert web.port
        assert serves.sockets["web"] is web

        def talk() -> bytes:
            with socket.create_connection((web.host, web.port), timeout=60) as connection:
                return connection.recv(10)

        assert await asyncio.to_thread(talk) == b"hi"
        await arbiter.stop()
        assert web.fileno() == -1

    asyncio.run(scenario())


@pytest.mark.usefixtures("own_loop")
def test_without_a_loop_start_blocks_until_somebody_stops_it(tmp_path: Path) -> None:
    arbiter = made(tmp_path, Watcher("web", "sleep 1000"))
    seen: list[Any] = []
    ticks: list[int] = []
    PeriodicCallback(lambda: ticks.append(1), 1).start()  # on the current loop, as programs do

    def up(future: Any) -> None:
        seen.append((future.done(), arbiter.statuses()))
        arbiter.loop.add_callback(arbiter.stop)

    future = arbiter.start(up)
    assert seen == [(True, {"web": "active"})]
    assert ticks
    assert future.done()
    assert future.result() is False
    assert check_future_exception_and_log(future) is None
    assert arbiter.stop().done()
    assert arbiter.start(up).result() is False  # it may be started again


@pytest.mark.usefixtures("own_loop")
def test_errors_are_in_the_future(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        web = CircusSocket("web", port=0)
        arbiter = Arbiter([Watcher("web", "sleep 1000")], endpoint, f"ipc://{tmp_path}/events", sockets=[web])
        future = arbiter.start()
        error = check_future_exception_and_log(future)
    assert error is not None
    assert "in use" in str(error)
    assert arbiter.loop.run_sync(arbiter._emergency_stop) is None
    assert arbiter.start(lambda _: arbiter.stop()).result() is False  # nothing was lost: it works now
    assert (arbiter.statuses(), list(arbiter.sockets)) == ({"web": "stopped"}, ["web"])


@pytest.mark.usefixtures("own_loop")
def test_what_a_callback_raises_does_not_end_the_arbiter(tmp_path: Path) -> None:
    arbiter = made(tmp_path, Watcher("web", "sleep 1000"))
    told: list[Any] = []

    def up(_: Any) -> None:
        arbiter.loop.asyncio_loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        arbiter.loop.add_callback(arbiter.stop)
        raise ValueError("oops")

    assert arbiter.start(up).result() is False
    assert [str(each) for each in told] == ["oops"]


@pytest.mark.usefixtures("own_loop")
def test_an_emergency_stop_leaves_no_process_however_they_resist(tmp_path: Path) -> None:
    stubborn = Watcher(
        "stubborn", "sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], graceful_timeout=100
    )
    arbiter = made(tmp_path, stubborn)
    pids: list[int] = []

    def interrupted(_: Any) -> None:
        pids.extend(stubborn.pids)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        arbiter.start(interrupted)
    arbiter.loop.run_sync(arbiter._emergency_stop)
    assert pids
    assert not any(map(is_alive, pids))
    assert not arbiter.running


@pytest.mark.usefixtures("own_loop")
def test_a_loop_that_somebody_stops_leaves_no_process(tmp_path: Path) -> None:
    web = Watcher("web", "sleep 1000")
    arbiter = made(tmp_path, web)
    pids: list[int] = []

    def up(_: Any) -> None:
        pids.extend(web.pids)
        arbiter.loop.stop()

    assert arbiter.start(up).result() is False
    assert pids
    assert not any(map(is_alive, pids))


def test_with_a_given_loop_start_returns_before_it_runs(tmp_path: Path) -> None:
    loop = IOLoop(make_current=False)
    try:
        arbiter = circus.get_arbiter(
            [{"name": "web", "cmd": "sleep 1000"}],
            controller=f"ipc://{tmp_path}/control",
            pubsub_endpoint=f"ipc://{tmp_path}/events",
            loop=loop,
        )
        assert arbiter.loop is loop
        future = arbiter.start()
        assert not future.done()

        async def use() -> None:
            assert await future is False
            assert arbiter.statuses() == {"web": "active"}
            await arbiter.stop()

        loop.run_sync(use, timeout=30)
    finally:
        loop.close()


def test_a_subclass_may_prepare_what_is_started(tmp_path: Path) -> None:
    class Prepared(Arbiter):
        def initialize(self) -> None:
            self.add_watcher("extra", "sleep 1000", numprocesses=2)
            super().initialize()

    async def scenario() -> None:
        arbiter = Prepared([], f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events")
        await arbiter.start()
        assert arbiter.statuses() == {"extra": "active"}
        assert arbiter.numprocesses() == 2
        await arbiter.stop()

    asyncio.run(scenario())


def test_programs_publish_reload_with_preparation_and_react_to_signals(tmp_path: Path) -> None:
    prepared: list[Watcher] = []

    async def scenario() -> None:
        web = Watcher("My Web", "sleep 1000", prereload_fn=prepared.append)
        arbiter = made(tmp_path, web, plugins=[{"use": "flapping", "window": 3}], statsd=True)
        consumer = CircusConsumer(["watcher.my_web."], endpoint=arbiter.pubsub_endpoint)
        with pytest.raises(RuntimeError, match="the arbiter does not run"):
            arbiter.reload()
        await arbiter.start()
        assert set(arbiter.statuses()) == {"My Web", "plugin:flapping", "circusd-stats"}

        def heard() -> Any:
            with consumer:
                return next(found for found in consumer if found[0].endswith((b".shout", b".reload")))

        hearing = asyncio.ensure_future(asyncio.to_thread(heard))
        async with asyncio.timeout(30):
            while not hearing.done():  # until the subscription has come through
                web.notify_event("shout", {"what": "hey"})
                await asyncio.sleep(0.01)
        topic, message = hearing.result()
        assert (topic, json.loads(message)) == (b"watcher.my_web.shout", {"what": "hey"})
        handler = SysHandler(arbiter.ctrl)
        try:
            pids = web.pids
            os.kill(os.getpid(), signal.SIGHUP)
            await until_true(lambda: bool(web.pids) and set(web.pids).isdisjoint(pids))
            assert prepared == [web]
            os.kill(os.getpid(), signal.SIGTERM)
            await until_true(lambda: not arbiter.running)
        finally:
            handler.stop()
        await arbiter.stop()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    asyncio.run(scenario())


INI = """
[circus]
endpoint = ipc://{folder}/control
pubsub_endpoint = ipc://{folder}/events
warmup_delay = 0
[watcher:web]
cmd = sleep 1000
numprocesses = {number}
[socket:shop]
port = 0
[socket:{socket}]
port = 0
"""


def test_an_arbiter_from_a_file_follows_it_and_what_its_program_adds(tmp_path: Path) -> None:
    ini = tmp_path / "circus.ini"
    ini.write_text(INI.format(folder=tmp_path, number=1, socket="old"))

    async def scenario() -> None:
        arbiter = Arbiter.load_from_config(str(ini))
        assert (arbiter.config_file, arbiter.statuses()) == (str(ini), {"web": "stopped"})
        arbiter.add_watcher("own", "sleep 1000")
        await arbiter.start()
        await until_true(lambda: arbiter.statuses() == {"web": "active", "own": "active"})
        web = arbiter.get_watcher("web")
        assert set(arbiter.sockets) == set(web.sockets) == {"shop", "old"}
        ini.write_text(INI.format(folder=tmp_path, number=3, socket="new"))
        await arbiter.reload_from_config()
        assert (len(web), set(arbiter.sockets)) == (3, {"shop", "new"})
        with pytest.raises(ValueError, match=r"was made from .*circus\.ini, not from other\.ini"):
            arbiter.reload_from_config("other.ini")
        await arbiter.restart(inside_circusd=True)
        assert (arbiter._restarting, arbiter.running) == (True, False)

    asyncio.run(scenario())


def test_what_does_not_fit_is_told_before_anything_starts() -> None:
    with pytest.raises(KeyError, match="cmd"):
        circus.get_arbiter([{"name": "web"}])
    with pytest.raises(ValueError, match="singleton"):
        circus.get_arbiter([{"cmd": "sleep 1", "singleton": True, "numprocesses": 2}])


def test_a_stream_backend_means_nothing_any_more() -> None:
    with pytest.warns(DeprecationWarning, match="stream_backend = 'gevent' means nothing any more") as told:
        circus.get_arbiter([{"cmd": "sleep 1"}], stream_backend="gevent")
    with pytest.warns(DeprecationWarning, match="stream_backend = 'thread' means nothing any more") as also:
        Watcher("web", "sleep 1", stream_backend="thread")
    assert [each.filename for each in (*told, *also)] == [__file__, __file__]


def test_an_interpreter_that_gevent_has_patched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace(is_module_patched=lambda name: name == "threading")
    monkeypatch.setitem(sys.modules, "gevent.monkey", stand_in)
    with pytest.raises(RuntimeError, match=r"gevent has patched threading: .* without monkey\.patch_all"):
        circus.get_arbiter([{"cmd": "sleep 1"}])


def test_mappings_may_be_used_again() -> None:
    mapping = {"cmd": "sleep 1", "name": "web"}
    first, second = circus.get_arbiter([mapping]), circus.get_arbiter([mapping])
    assert mapping == {"cmd": "sleep 1", "name": "web"}
    assert first.get_watcher("web") is not second.get_watcher("web")


@pytest.mark.usefixtures("own_loop")
def test_stop_of_a_subclass_is_called_when_a_client_ends_it(tmp_path: Path) -> None:
    class Cleaning(Arbiter):
        cleaned = 0

        def stop(self) -> Any:
            self.cleaned += 1
            return super().stop()

    arbiter = Cleaning([Watcher("w", "sleep 1000")], f"ipc://{tmp_path}/control", f"ipc://{tmp_path}/events")

    def ask() -> None:
        client = CircusClient(endpoint=arbiter.endpoint)
        client.send_message("quit")
        client.stop()

    asking = threading.Thread(target=ask)
    arbiter.start(lambda future: asking.start()).result()
    asking.join()
    assert arbiter.cleaned == 1
    arbiter.start(lambda future: arbiter.stop()).result()
    assert arbiter.cleaned == 2


def test_a_method_that_is_overridden_in_vain_is_told() -> None:
    with pytest.warns(RuntimeWarning, match=r"Vain overrides iter_watchers, start_watchers: circus"):

        class Vain(Arbiter):
            def start_watchers(self, *args: Any) -> Any:
                return super().start_watchers(*args)

            def iter_watchers(self, reverse: bool = True) -> Any:
                return super().iter_watchers(reverse)

    with pytest.warns(RuntimeWarning, match=r"Vain2 overrides spawn_process: .* use hooks"):

        class Vain2(Watcher):
            def spawn_process(self) -> Any:
                return super().spawn_process()
