"""A project written for Circus 0.19 runs under circusd as it is: plugins, streams, hooks, commands."""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest
import zmq

from circus.circusctl import ControllerApp, get_commands
from circus.client import AsyncCircusClient, CallError, CircusClient, cast_message, make_message
from circus.config import get_config
from circus.consumer import CircusConsumer
from circus.stats.client import StatsClient
from circus.stats.streamer import StatsStreamer
from circus_core.testing import Daemon, until

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

SECTIONS = """
[watcher:web]
cmd = sleep 1000
hooks.before_start = old_project.commands.before_start

[watcher:quiet]
cmd = sleep 1000
numprocesses = 2

[watcher:talker]
cmd = sh -c 'echo one; echo the secret >&2; exec sleep 1000'
stdout_stream.class = old_project.streams.Upper
stdout_stream.filename = {folder}/upper
stderr_stream.class = old_project.streams.Marked
stderr_stream.filename = {folder}/marked
stderr_stream.mark = ***

[watcher:factory]
cmd = sh -c 'echo made; exec sleep 1000'
stdout_stream.class = old_project.streams:make_upper
stdout_stream.filename = {folder}/upper

[plugin:logger]
use = old_project.plugins.Logger
filename = {folder}/events

[plugin:restarter]
use = old_project.plugins.Restarter
watcher = web
autostart = False

[plugin:emitter]
use = old_project.plugins.Emitter
filename = {folder}/counted

[plugin:observer]
use = old_project.plugins.Observer
filename = {folder}/observed
watcher = quiet
run_in = daemon

[plugin:flapping]
use = circus.plugins.flapping.Flapping
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("old")
    sections = dedent(SECTIONS).format(folder=folder)
    with Daemon(folder / "d", sections, env={"PYTHONPATH": str(HERE)}, module="circus.circusd") as daemon:
        yield daemon


def written(daemon: Daemon, name: str) -> str:
    file = daemon.folder.parent / name
    return file.read_text() if file.exists() else ""


def test_embedders_find_the_daemon_by_its_process_line(daemon: Daemon) -> None:
    line = " ".join(psutil.Process(daemon.pid).cmdline())
    assert line.endswith(f"circus.circusd {daemon.ini}")


# -- streams


def test_a_plain_callable_gets_the_output(daemon: Daemon) -> None:
    until(lambda: written(daemon, "upper") == "stdout ONE\n", lambda: written(daemon, "upper"))


def test_a_factory_may_make_the_stream(daemon: Daemon) -> None:
    until(lambda: written(daemon, "upper.factory") == "stdout MADE\n")


def test_a_file_stream_may_have_another_call(daemon: Daemon) -> None:
    until(lambda: written(daemon, "marked") == "the ***\n", lambda: written(daemon, "marked"))


# -- plugins


def test_the_documented_logger_writes_what_happens(daemon: Daemon) -> None:
    until(lambda: "updated web::" in written(daemon, "events") or not tell_of_web(daemon))
    line = next(line for line in written(daemon, "events").splitlines() if line.startswith("updated web::"))
    assert "time" in ast.literal_eval(line.partition("::")[2])


def tell_of_web(daemon: Daemon) -> bool:
    return bool(daemon.call("set", name="web", options={"max_retry": 5})["status"] == "ok")


def test_a_plugin_may_ask_in_a_periodic_callback(daemon: Daemon) -> None:
    web = daemon.watcher("web")
    before = web.pid()
    daemon.watcher("plugin:restarter").do("start")
    until(lambda: web.pids() not in ([before], []))
    web.until("active")


def test_a_statsd_emitter_may_have_another_handle_recv(daemon: Daemon) -> None:
    until(lambda: "web.updated\n" in written(daemon, "counted") or not tell_of_web(daemon))


def test_an_observer_may_set_its_pace_and_looks_after_things(daemon: Daemon) -> None:
    found = [""]  # it is written anew all the time: what was read whole is looked at

    def is_whole() -> bool:
        found[0] = written(daemon, "observed")
        return found[0].endswith("}")

    until(is_whole)
    seen = json.loads(found[0])
    assert seen["pids"] == sorted(map(str, daemon.watcher("quiet").pids()))
    assert seen["size"] == "2.00K"
    assert seen["prefix"] == "circus.old_observer.watcher"


def test_a_plugin_runs_by_hand(daemon: Daemon, tmp_path: Path) -> None:
    endpoints = ["--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint]
    words = [sys.executable, "-c", "from circus import plugins;plugins.main()", *endpoints]
    words += ["--config", "filename:circus-events.log", "old_project.plugins.Logger"]
    events, said = tmp_path / "circus-events.log", tmp_path / "said"
    with said.open("wb") as log:
        plugin = subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log, env={"PYTHONPATH": str(HERE)})
    try:
        until(lambda: (events.exists() and "updated web::" in events.read_text()) or not tell_of_web(daemon))
        plugin.terminate()
        assert plugin.wait(20) == 0, said.read_text()
    finally:
        plugin.kill()
        plugin.wait()


# -- commands and hooks


def test_a_hook_is_called_and_logs_as_circus(daemon: Daemon) -> None:
    assert "before_start of web" in daemon.log()


def test_the_daemon_knows_a_command_that_it_has_imported(daemon: Daemon) -> None:
    assert daemon.call("greet", name="QUIET")["greeting"] == "hello quiet"
    client = CircusClient(endpoint=daemon.endpoint)
    try:
        refused = client.send_message("greet", name="nope")
        missing = client.send_message("greet")
        waited = client.send_message("later", waiting=True)
        begun = client.send_message("later")
    finally:
        client.stop()
    assert refused["reason"] == "program nope not found"
    assert missing["reason"] == "message invalid 'name' is missing"
    assert waited["slept"] is True
    assert begun["status"] == "ok"
    assert "slept" not in begun


def test_a_wrapper_of_circusctl_knows_the_commands_it_has_imported(daemon: Daemon) -> None:
    code = "import old_project.commands; from circus.circusctl import main; main()"
    line = [sys.executable, "-c", code, "--endpoint", daemon.endpoint, "greet", "quiet", "--loud"]
    env = {"PYTHONPATH": str(HERE)}
    ended = subprocess.run(line, capture_output=True, text=True, env=env, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (0, "HELLO QUIET (2)\n")


def test_old_commands_have_options_help_and_errors_in_circusctl(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    importlib.import_module("old_project.commands")
    app = ControllerApp(get_commands())

    def ctl(*words: str) -> tuple[int, str]:
        status = app.run(["--endpoint", daemon.endpoint, *words])
        return status, "".join(capsys.readouterr())

    assert ctl("later", "--waiting") == (0, "slept\n")
    assert ctl("greet", "nope") == (3, "error: program nope not found\n")
    assert ctl("greet") == (1, "error: invalid number of arguments\n")
    assert "Longer words about it." in ctl("greet", "--help")[1]
    assert ctl("numprocesses", "quiet") == (0, "2\n")


# -- clients


def test_a_client_asks_and_gets_replies(daemon: Daemon) -> None:
    client = CircusClient(endpoint=daemon.endpoint, timeout=20)
    try:
        message = make_message("list", name="quiet")
        assert sorted(client.call(message)["pids"]) == sorted(daemon.watcher("quiet").pids())
        assert "id" in message
        assert client.send_message("status", name="nope")["status"] == "error"
        assert client.call(cast_message("set", name="quiet", options={"max_retry": 7})) == {}
        assert client.send_message("get", name="quiet", keys=["max_retry"])["options"] == {"max_retry": 7}
        assert client.timeout == 20_000
        with pytest.raises(DeprecationWarning, match="takes a mapping"):
            client.call('{"command": "list"}')  # type: ignore[arg-type]  # as an old example does
    finally:
        client.stop()


def test_calls_of_an_asynchronous_client_do_not_wait_for_each_other(daemon: Daemon) -> None:
    client = AsyncCircusClient(endpoint=daemon.endpoint, timeout=20)

    async def ask() -> tuple[dict[str, Any], ...]:
        return await asyncio.gather(
            client.call(make_message("later", waiting=True)),
            client.send_message("numprocesses", name="quiet"),
            client.call(cast_message("set", name="quiet", options={"max_retry": 8})),
        )

    try:
        for _ in range(2):  # a loop each, as run_sync() in a program without one
            later, number, cast = asyncio.run(ask())
            assert later["slept"] is True
            assert number["numprocesses"] == 2
            assert cast == {}
    finally:
        client.stop()


def test_without_a_daemon_calls_time_out(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/nobody"
    client = CircusClient(endpoint=endpoint, timeout=0.1)
    with pytest.raises(CallError, match=r"^Timed out\.$"):
        client.send_message("list")
    client.stop()

    async def ask() -> None:
        slow = AsyncCircusClient(endpoint=endpoint, timeout=0.1)
        with pytest.raises(CallError, match=r"^Timed out\.$"):
            await slow.send_message("list")
        slow.stop()

    asyncio.run(ask())


def test_a_consumer_yields_topics_and_messages(daemon: Daemon) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with CircusConsumer("watcher.web.", context=context, endpoint=daemon.pubsub_endpoint) as consumer:
        found: list[tuple[bytes, bytes]] = []
        listener = threading.Thread(target=lambda: found.extend(consumer.iter_messages()))
        listener.start()
        until(lambda: found or not tell_of_web(daemon))
        consumer.stop()
        listener.join(20)
        assert not listener.is_alive()
    assert not context.closed
    context.term()
    topic, message = found[0]
    assert topic == b"watcher.web.updated"
    assert "time" in json.loads(message)


def test_leaving_the_loop_of_a_consumer_ends_it(daemon: Daemon) -> None:
    consumer = CircusConsumer([b""], endpoint=daemon.pubsub_endpoint)
    end = threading.Event()
    teller = threading.Thread(target=lambda: until(lambda: end.is_set() or not tell_of_web(daemon)))
    teller.start()
    for _topic, _message in consumer:
        break
    end.set()
    teller.join(20)
    assert list(consumer) == []


def test_a_stats_streamer_publishes_what_a_stats_client_yields(daemon: Daemon, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/stats"
    streamer = StatsStreamer(daemon.endpoint, daemon.pubsub_endpoint, endpoint, delay=0.05)
    client = StatsClient(endpoint)

    def run() -> None:
        try:
            streamer.start()
        finally:
            client.stop()  # should it end too early, so does what waits for it

    running = threading.Thread(target=run)
    running.start()
    wanted = {None, *map(str, daemon.watcher("quiet").pids())}
    seen: set[str | None] = set()
    try:
        for watcher, subtopic, stat in client:
            if watcher == "quiet":
                seen.add(subtopic)
                assert "cpu" in stat
            if seen >= wanted:
                break
    finally:
        streamer.stop()
        running.join(20)
        streamer.loop.close()
    assert seen >= wanted
    assert not running.is_alive()


# -- the README


def section(heading: str) -> str:
    """Return the code below a heading of the README."""
    text = (HERE.parent / "README.md").read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    code: str = re.findall(r"^```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    return code


def test_the_clients_of_the_readme_do_what_they_say(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    code = section("### Clients")
    code = code.replace("ipc://ctl", daemon.endpoint).replace("ipc://pub", daemon.pubsub_endpoint)
    end = threading.Event()
    teller = threading.Thread(target=lambda: until(lambda: end.is_set() or not tell_of_web(daemon)))
    teller.start()
    try:
        exec(compile(code, "README.md", "exec"), {})
    finally:
        end.set()
        teller.join(20)
    assert capsys.readouterr().out == "1\nwatcher.web.updated ['time']\n"


def test_the_sections_of_the_readme_are_fine(tmp_path: Path) -> None:
    (tmp_path / "circus.ini").write_text(section("### Plugins, streams and hooks"))
    config = get_config(str(tmp_path / "circus.ini"))
    assert config["plugins"][0]["use"] == "circus.plugins.flapping.Flapping"
    assert config["watchers"][0]["stdout_stream"]["rotate_when"] == "D"


def test_the_command_of_the_readme_can_be_an_entry_point(daemon: Daemon) -> None:
    space: dict[str, Any] = {"__name__": "shop.commands"}
    exec(compile(section("### Commands"), "README.md", "exec"), space)
    command = space["Greet"].as_installed()
    reply = daemon.call("greet", **command.message({"circus.words": ["web"]}))
    assert space["Greet"]().console_msg(reply) == "hello web"
