"""What each command reads, does, answers and prints."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from circus_core.commands.properties import Properties
from circus_core.errors import AlreadyExistError, CircusError, MessageError
from tests.controlled import AN_INFO, ROOT, FakeArbiter, find_command, kernel_commands

Told = dict[str, Any]


def carry_out(name: str, arbiter: FakeArbiter | None = None, /, **properties: Any) -> Told:
    """Return the command's own keys of the reply."""
    return asyncio.run(_carry_out(name, arbiter, properties))


async def _carry_out(name: str, arbiter: FakeArbiter | None, properties: Mapping[str, Any]) -> Told:
    command = find_command(name)
    result = await command.execute(arbiter or FakeArbiter(), command.parse(Properties(properties)))
    if result.unfinished is not None:
        await result.unfinished
    told: Told = result.to_json()
    return told


def printed(name: str, reply: Mapping[str, Any]) -> str:
    return find_command(name).result.from_json(reply).to_text()


@pytest.mark.parametrize(
    ("name", "properties", "reason"),
    [
        ("add", {}, "message invalid 'name' is missing"),
        ("add", {"name": "n"}, "message invalid 'cmd' is missing"),
        ("check", {"path": "a\0b"}, "'path' has a null byte in it"),
        ("add", {"name": " ", "cmd": "x"}, "'name' must not be empty"),
        ("add", {"name": "a\x1b[2J", "cmd": "x"}, r"must be printable, got 'a\\x1b\[2J'"),
        ("add", {"name": "n", "cmd": "x", "options": {"bogus": 1}}, "unknown key 'bogus'"),
        ("add", {"name": "n", "cmd": "x", "options": {"bo.gus": 1}}, "watcher 'n': unknown key 'bo.gus'"),
        ("add", {"name": "n", "cmd": "x", "options": "a"}, "'options' property should be an object"),
        ("add", {"name": "n", "cmd": "x", "options": {"max_age": -1}}, "max_age must be"),
        (
            "add",
            {"name": "n", "cmd": "x", "options": {"rlimit_nofile": "x"}},
            "'nofile' rlimit value isn't a",
        ),
        ("decr", {"name": "sleeper", "nb": "x"}, "'nb' isn't an integer"),
        ("describe", {}, "message invalid 'name' is missing"),
        ("describe", {"name": "s*"}, r"program s\* not found"),
        ("describe", {"name": "z*", "match": "glob"}, r"program z\* not found"),
        ("get", {"name": "sleeper"}, "message invalid 'keys' is missing"),
        ("get", {"name": "sleeper", "keys": ["bogus"]}, "'bogus' option not found"),
        ("get", {"name": "sleeper", "keys": 1}, "'keys' isn't a valid array"),
        ("globaloptions", {"option": "bogus"}, "'bogus' not an existing option"),
        ("incr", {}, "message invalid 'name' is missing"),
        ("incr", {"name": "*"}, r"program \* not found"),
        ("incr", {"name": "sleeper", "match": 3}, "'match' isn't a string"),
        ("incr", {"name": "ghost"}, "program ghost not found"),
        ("incr", {"name": 5}, "'name' isn't a string"),
        ("incr", {"name": "sleeper", "waiting": "maybe"}, "'waiting' isn't a valid boolean"),
        ("kill", {"name": "ghost"}, "program ghost not found"),
        ("kill", {"name": "sleeper", "pid": "x"}, "'pid' isn't an integer"),
        ("kill", {"name": "sleeper", "pid": 1}, "process 1 not found in 'sleeper'"),
        ("kill", {"name": "sleeper", "signum": 9999}, "signal invalid"),
        ("kill", {"name": "sleeper", "graceful_timeout": -1}, "'graceful_timeout' isn't a number"),
        ("kill", {"name": "s*", "pid": 101}, r"program s\* not found"),
        ("kill", {"name": "w*", "match": "glob", "pid": 101}, r"process 101 not found in 'w\*'"),
        ("list", {"name": "ghost"}, "program ghost not found"),
        ("list", {"name": "s", "match": "regex"}, "'match' must be simple or glob here, got 'regex'"),
        ("listen", {}, "invalid message. use a pub/sub socket"),
        ("numprocesses", {"name": "ghost"}, "program ghost not found"),
        ("options", {}, "message invalid 'name' is missing"),
        ("reload", {"name": "s*"}, r"program s\* not found"),
        ("restart", {"name": "x", "match": "bad"}, "unknown match method bad"),
        ("rm", {"name": "ghost"}, "program ghost not found"),
        ("set", {"name": "sleeper", "options": {"numprocesses": "3"}}, "'numprocesses' isn't an integer"),
        ("set", {"name": "sleeper", "options": {"warmup_delay": "3"}}, "'warmup_delay' isn't a number"),
        ("set", {"name": "sleeper", "options": {"shell": 1}}, "'shell' isn't a valid boolean"),
        ("set", {"name": "sleeper", "options": {"uid": 1.5}}, "'uid' isn't an integer or string"),
        ("set", {"name": "sleeper", "options": {"env": {"A": 1}}}, "'env' isn't a valid object"),
        ("set", {"name": "sleeper", "options": {"stop_signal": 99999}}, "signal invalid"),
        ("set", {"name": "sleeper"}, "message invalid 'options' is missing"),
        ("signal", {"name": "sleeper"}, "message invalid 'signum' is missing"),
        ("signal", {"name": "sleeper", "signum": "BOGUS"}, "signal invalid"),
        ("signal", {"name": "sleeper", "signum": "!!"}, "signal invalid"),
        ("signal", {"name": "sleeper", "signum": 2**40}, "signal invalid"),
        ("signal", {"name": "sleeper", "signum": 1, "pid": 1}, "process 1 not found in 'sleeper'"),
        ("signal", {"name": "sleeper", "signum": 1, "childpid": 1}, "cannot specify childpid without pid"),
        ("start", {"name": "("}, r"program \( not found"),
        ("start", {"name": "(", "match": "regex"}, r"'\(' isn't a valid regular expression"),
        ("stats", {"name": "ghost"}, "program ghost not found"),
        ("stats", {"name": "s*"}, r"program s\* not found"),
        ("stats", {"name": "sleeper", "process": 1}, "process 1 not found in 'sleeper'"),
        ("stats", {"name": "sleeper", "process": "x"}, "'process' isn't an integer"),
        ("stats", {"name": "sleeper", "extended": "x"}, "'extended' isn't a valid boolean"),
        ("stats", {"name": "s", "match": "regex"}, "'match' must be simple or glob here, got 'regex'"),
        ("status", {"name": "ghost"}, "program ghost not found"),
        ("stop", {"name": "s", "match": "simple"}, "program s not found"),
    ],
)
def test_a_bad_property_is_named(name: str, properties: Told, reason: str) -> None:
    with pytest.raises(MessageError, match=f"{reason}"):
        carry_out(name, **properties)


def test_status_tells_states_by_the_configured_names() -> None:
    assert carry_out("status") == {"statuses": {"Sleeper": "active", "lazy": "stopped", "web one": "active"}}


def test_status_of_one_is_its_state() -> None:
    assert carry_out("status", name="LAZY") == {"status": "stopped"}


def test_status_tells_a_reason_if_there_is_one() -> None:
    arbiter = FakeArbiter()
    arbiter.get_watcher("lazy").reason = "backoff: no such program"
    one, everything = carry_out("status", arbiter, name="lazy"), carry_out("status", arbiter)
    assert printed("status", one) == "stopped (backoff: no such program)"
    assert printed("status", everything).splitlines() == [
        "Sleeper: active",
        "lazy: stopped (backoff: no such program)",
        "web one: active",
    ]
    assert everything["statuses"]["lazy"] == "stopped"


def test_list_tells_names_in_lower_case_and_pids() -> None:
    assert carry_out("list") == {"watchers": ["lazy", "sleeper", "web one"]}
    assert carry_out("list", name="sleeper") == {"pids": [101, 102]}
    assert printed("list", {"watchers": ["a", "b"]}) == "a,b"
    assert printed("list", {"pids": []}) == ""
    assert carry_out("list", name="[sw]*", match="glob") == {"watchers": ["sleeper", "web one"]}
    assert carry_out("list", name="sleeper", match="glob") == {"watchers": ["sleeper"]}


def test_numbers_are_counted() -> None:
    assert carry_out("numwatchers") == {"numwatchers": 3}
    assert carry_out("numprocesses") == {"numprocesses": 3}
    assert carry_out("numprocesses", name="Sleeper") == {"numprocesses": 2, "watcher_name": "Sleeper"}
    assert carry_out("numprocesses", name="*", match="glob") == {"numprocesses": 3, "watcher_name": "*"}
    assert printed("numprocesses", {"numprocesses": 2}) == "2"


def test_incr_and_decr_tell_the_number_if_waited_for() -> None:
    assert carry_out("incr", name="sleeper") == {}
    assert carry_out("incr", name="sleeper", nb="2", waiting=True) == {"numprocesses": 4}
    assert carry_out("decr", name="sleeper", nb=100, waiting=True) == {"numprocesses": 0}
    assert (printed("incr", {}), printed("incr", {"numprocesses": 4})) == ("ok", "4")


def test_incr_of_several_tells_the_number_of_each() -> None:
    assert carry_out("incr", name="*", match="glob") == {}
    reply = carry_out("incr", name="[ls]*", match="glob", waiting=True)
    assert reply == {"numbers": {"Sleeper": 3, "lazy": 2}}
    assert printed("incr", reply).splitlines() == ["Sleeper: 3", "lazy: 2"]
    assert carry_out("decr", name="^l", match="regex", waiting=True) == {"numprocesses": 0}


def test_a_singleton_keeps_its_number() -> None:
    arbiter = FakeArbiter()
    carry_out("add", arbiter, name="solo", cmd="x", options={"singleton": True})
    reply = carry_out("incr", arbiter, name="solo", nb=3)
    assert reply == {"numprocesses": 1, "singleton": True}
    assert printed("incr", reply) == "This watcher is a Singleton - not changing the number of processes"


def test_one_watcher_is_told_about_in_detail_if_waited_for() -> None:
    assert carry_out("start", name="lazy", waiting=True) == {"info": {"started": [104], "kept": []}}
    assert carry_out("start", name="sleeper", waiting=True) == {"info": {"started": [], "kept": [101, 102]}}
    assert carry_out("stop", name="sleeper", waiting=True) == {"info": None}
    assert carry_out("restart", name="sleeper", waiting=True) == {
        "info": {"stopped": [101, 102], "started": [104, 105], "kept": []}
    }
    assert carry_out("reload", name="sleeper", waiting=True)["info"]["stopped"] == [101, 102]
    assert [printed(name, {"info": None}) for name in ("start", "stop", "reload")] == ["ok"] * 3


@pytest.mark.parametrize("name", ["start", "stop", "restart", "reload"])
def test_without_waiting_the_reply_says_only_ok(name: str) -> None:
    assert carry_out(name, name="sleeper") == {}
    assert carry_out(name) == {}


@pytest.mark.parametrize(
    ("name", "properties", "told"),
    [
        ("start", {}, ("start", None)),
        ("stop", {}, ("stop", None)),
        ("restart", {}, ("restart all",)),
        ("reload", {}, ("reload", True, False)),
        ("reload", {"graceful": False, "sequential": True}, ("reload", False, True)),
        ("quit", {"waiting": True}, ("quit",)),
        ("quit", {}, ("quit",)),
        ("start", {"name": "*", "match": "glob"}, ("start", ["Sleeper", "lazy", "web one"])),
        ("stop", {"name": "^(S|l)", "match": "regex"}, ("stop", ["Sleeper", "lazy"])),
        ("restart", {"name": "[lw]*", "waiting": 1}, ("restart", ["lazy", "web one"])),
        ("reload", {"name": "*", "match": "glob"}, ("reload", ["Sleeper", "lazy", "web one"])),
        ("rm", {"name": "Lazy", "nostop": True}, ("rm", "lazy", True)),
    ],
)
def test_the_arbiter_is_told_about_many(name: str, properties: Told, told: tuple[Any, ...]) -> None:
    arbiter = FakeArbiter()
    assert carry_out(name, arbiter, **properties) == {}
    assert arbiter.told == [told]


def test_a_watcher_whose_name_is_a_pattern_can_be_addressed() -> None:
    arbiter = FakeArbiter()
    carry_out("add", arbiter, name="web[1]", cmd="x")
    carry_out("add", arbiter, name="web1", cmd="x")
    carry_out("start", arbiter, name="web[1]")
    assert carry_out("status", arbiter, name="web[1]") == {"status": "active"}
    assert carry_out("status", arbiter, name="web1") == {"status": "stopped"}


def test_add_makes_a_stopped_watcher_with_its_options() -> None:
    arbiter = FakeArbiter()
    options = {
        "numprocesses": 2,
        "rlimit_nofile": 10,
        "hooks": {"before_start": ["a.b", False]},
        "priority": 3,
    }
    assert carry_out("add", arbiter, name="new", cmd="sleep 9", args=["a", "b"], options=options) == {}
    config = arbiter.get_watcher("new").config
    assert (config.cmd, config.args, config.numprocesses, config.priority) == ("sleep 9", ("a", "b"), 2, 3)
    assert (dict(config.rlimits), config.hooks["before_start"].target) == ({"nofile": 10}, "a.b")
    assert carry_out("status", arbiter, name="new") == {"status": "stopped"}


def test_add_starts_on_request() -> None:
    reply = carry_out("add", name="new", cmd="x", start=True, waiting=True, options={"numprocesses": 2})
    assert reply == {"started": [104, 105], "kept": []}
    assert carry_out("add", name="new", cmd="x", start=True) == {}


def test_add_refuses_a_name_that_is_taken_in_any_case() -> None:
    with pytest.raises(AlreadyExistError, match=r"already exist$"):
        carry_out("add", name="SLEEPER", cmd="x")


def test_options_come_sorted_and_get_in_the_order_of_the_question() -> None:
    assert list(carry_out("options", name="sleeper")["options"]) == ["cmd", "env", "gid", "numprocesses"]
    reply = carry_out("get", name="sleeper", keys=["numprocesses", "env", "gid"])
    assert printed("get", reply).splitlines() == ["numprocesses: 2", "env: A=1,B=2", "gid: "]
    assert printed("options", {"options": {"respawn": True, "x": {}}}) == "respawn: True\nx: {}"


def test_globaloptions_are_the_endpoints_and_the_delay() -> None:
    assert list(carry_out("globaloptions")["options"]) == [
        "endpoint", "pubsub_endpoint", "check_delay", "multicast_endpoint"
    ]  # fmt: skip
    assert carry_out("globaloptions", option="check_delay") == {"options": {"check_delay": 5.0}}
    assert find_command("globaloptions").error_text("no") == "no"


def test_sockets_are_listed_by_descriptor() -> None:
    assert printed("listsockets", carry_out("listsockets")).splitlines() == [
        "7:socket 'ux' at /run/app/ux.sock",
        "8:socket 'web' at 127.0.0.1:8000",
    ]


@pytest.mark.parametrize(
    ("properties", "sent"),
    [
        ({"signum": "TERM"}, [("signal", 101, 15), ("signal", 102, 15)]),
        ({"signum": "sigusr1", "pid": "102"}, [("signal", 102, 10)]),
        ({"signum": 0, "pid": 101}, [("signal", 101, 0)]),
        ({"signum": "RTMIN+1", "pid": 101}, [("signal", 101, 35)]),
        ({"signum": "9", "pid": 101, "children": True}, [("children", 101, 9, False)]),
        ({"signum": 9, "pid": 101, "recursive": True}, [("children", 101, 9, True), ("signal", 101, 9)]),
        ({"signum": 9, "pid": 101, "childpid": 7, "children": True}, [("child", 101, 7, 9)]),
    ],
)
def test_signal_reaches_whom_it_is_meant_for(properties: Told, sent: list[Any]) -> None:
    arbiter = FakeArbiter()
    assert carry_out("signal", arbiter, name="sleeper", **properties) == {}
    assert arbiter.get_watcher("sleeper").sent == sent


def test_signal_and_kill_reach_all_that_match() -> None:
    arbiter = FakeArbiter()
    sleeper, web = arbiter.get_watcher("sleeper"), arbiter.get_watcher("web one")
    carry_out("signal", arbiter, name="*", match="glob", signum=1)
    assert (sleeper.sent, web.sent) == ([("signal", 101, 1), ("signal", 102, 1)], [("signal", 103, 1)])
    carry_out("kill", arbiter, name="w", match="regex", waiting=True)
    carry_out("kill", arbiter, name="*", match="glob", pid=102)
    assert (sleeper.sent[2:], web.sent[1:]) == ([("kill", 102, None, None)], [("kill", None, None, None)])


LINE = "sleep root 0 1.48M 2.44M 0.0 0.006 0:00.09"


def test_stats_of_all_have_an_entry_for_each_process() -> None:
    reply = carry_out("stats")
    assert {name: list(infos) for name, infos in reply["infos"].items()} == {
        "Sleeper": ["101", "102"],
        "lazy": [],
        "web one": ["103"],
    }
    assert reply["infos"]["Sleeper"]["102"]["wid"] == 2
    assert printed("stats", reply).splitlines() == [
        "Sleeper:", f"101: 101  {LINE}", f"102: 102  {LINE}", "lazy:", "web one:", f"103: 103  {LINE}"
    ]  # fmt: skip


def test_stats_of_one_watcher_and_of_one_process_have_their_own_shape() -> None:
    one = carry_out("stats", name="sleeper")
    assert (sorted(one), one["name"], list(one["info"])) == (["info", "name"], "sleeper", ["101", "102"])
    assert printed("stats", one).splitlines() == ["sleeper:", f"101: 101  {LINE}", f"102: 102  {LINE}"]
    process = carry_out("stats", name="Sleeper", process="102")
    assert (sorted(process), process["process"], process["info"]["pid"]) == (["info", "process"], 102, 102)
    assert printed("stats", process) == f"102: 102  {LINE}"


def test_stats_of_a_pattern_are_those_of_all_or_of_the_only_match() -> None:
    assert list(carry_out("stats", name="[sl]*", match="glob")["infos"]) == ["Sleeper", "lazy"]
    assert carry_out("stats", name="s*", match="glob")["name"] == "Sleeper"
    assert carry_out("stats", process=103)["process"] == 103


def test_stats_have_the_figures_of_hooks_only_of_what_is_named() -> None:
    assert carry_out("stats", name="sleeper", extended=True)["info"]["101"]["hits"] == 7
    assert "hits" not in carry_out("stats", extended=True)["infos"]["Sleeper"]["101"]


def test_stats_say_who_has_ended_and_what_was_lost() -> None:
    arbiter = FakeArbiter(ended={101, 103}, dropped={"Sleeper": 9})
    reply = carry_out("stats", arbiter, name="sleeper")
    assert reply["info"]["101"] == "No such process (stopped?)"
    assert reply["dropped_bytes"] == {"Sleeper": 9}
    assert printed("stats", reply).splitlines()[1] == "101: No such process (stopped?)"
    assert printed("stats", carry_out("stats", arbiter, process=103)) == "103: No such process (stopped?)"


def test_stats_print_the_children_below_their_parent() -> None:
    child = {**AN_INFO, "pid": 28650}
    info = {**AN_INFO, "pid": 28642, "cmdline": "sh", "mem_info1": "1.65M", "children": [child]}
    assert printed("stats", {"name": "tree", "info": {"28642": info}}).splitlines() == [
        "tree:",
        "28642: 28642  sh root 0 1.65M 2.44M 0.0 0.006 0:00.09",
        f"   28650  {LINE}",
    ]


def test_dstats_have_what_was_dropped_below_the_figures() -> None:
    reply = carry_out("dstats", FakeArbiter(dropped={"x": 3}))
    assert (reply["info"]["pid"], reply["events_dropped"], reply["requests_refused"]) == (4711, 3, 0)
    line = "    4711  python3 root 0 1.48M 2.44M 0.0 0.006 0:00.09"
    assert printed("dstats", reply).splitlines() == ["Main Process:", line, "events_dropped: 3"]
    assert printed("dstats", {"info": reply["info"]}).splitlines() == ["Main Process:", line]


def test_ipython_says_why_there_is_none() -> None:
    reply = carry_out("ipython")
    assert reply["shell"] is False
    assert printed("ipython", reply).splitlines()[0] == "error: Could not start ipython kernel"
    assert printed("ipython", {"shell": "kernel-1.json"}).endswith("--existing kernel-1.json")


def test_describe_tells_about_each_that_matches() -> None:
    one = carry_out("describe", name="LAZY")["descriptions"]
    assert (list(one), one["lazy"]["state"]) == (["lazy"], "stopped")
    assert list(carry_out("describe", name="[sl]*", match="glob")["descriptions"]) == ["Sleeper", "lazy"]


def test_a_signal_the_system_does_not_have_is_its_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        carry_out("signal", name="sleeper", signum=9999)


def test_kill_takes_numbers_as_text_as_old_clients_send_them() -> None:
    arbiter = FakeArbiter()
    carry_out("kill", arbiter, name="sleeper", pid="101", signum="HUP", graceful_timeout="3")
    carry_out("kill", arbiter, name="sleeper", waiting=True)
    assert arbiter.get_watcher("sleeper").sent == [("kill", 101, 1, 3.0), ("kill", None, None, None)]


def test_set_hands_over_checked_options() -> None:
    arbiter = FakeArbiter()
    options = {"numprocesses": -1, "stop_signal": "USR1", "args": ["a", 1], "hooks.before_start": "a.b,true"}
    carry_out("set", arbiter, name="sleeper", options=options, waiting=True)
    assert arbiter.get_watcher("sleeper").sent == [
        ("set", {"numprocesses": 0, "stop_signal": 10, "args": ["a", "1"], "hooks.before_start": "a.b,true"})
    ]


def test_a_failure_that_is_waited_for_is_told() -> None:
    arbiter = FakeArbiter(failure=CircusError("no"))
    with pytest.raises(CircusError, match=r"^no$"):
        carry_out("start", arbiter, name="lazy", waiting=True)


@pytest.mark.parametrize("name", sorted(kernel_commands()))
def test_a_command_explains_itself(name: str) -> None:
    command = find_command(name)
    assert command.name == name
    assert (command.__doc__ or "").strip().partition("\n")[0]
    assert all(argument.help for argument in command.arguments)


@pytest.mark.parametrize("place", sorted(kernel_commands().values()))
def test_a_command_is_imported_without_what_runs_a_daemon(place: str) -> None:
    code = (
        f"import sys, {place.partition(':')[0]}; "
        "heavy = {'asyncio', 'tornado', 'zmq', 'psutil', 'stevedore', 'pluggy', 'circus_core.arbiter'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    ("properties", "told"),
    [({}, None), ({"name": "sleeper"}, ["Sleeper"]), ({"name": "*e*"}, ["Sleeper", "web one"])],
)
def test_reopen_is_for_some_watchers_or_for_all(properties: Told, told: list[str] | None) -> None:
    arbiter = FakeArbiter()
    carry_out("reopen", arbiter, **properties)
    assert arbiter.told == [("reopen", told)]
