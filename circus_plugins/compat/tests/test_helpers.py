"""The helpers of circus.util give what those of 0.19 gave."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import zmq

from circus import util
from circus.circusd import daemonize, get_maxfd
from circus.pidfile import Pidfile
from circus.util import ImportStringError
from circus_core.testing import until


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (lambda: [util.to_bool(word) for word in ("yes", "TRUE", "1", "off", "0")], [True] * 3 + [False] * 2),
        (lambda: [util.to_bool(each) for each in (True, False, None)], [True, False, False]),
        (lambda: [util.to_signum(each) for each in ("SIGTERM", "term", "QUIT", 15, "2")], [15, 15, 3, 15, 2]),
        (lambda: [util.to_uid(each) for each in ("root", 0, "0")], [0, 0, 0]),
        (lambda: [util.to_gid(each) for each in ("root", 0, "0")], [0, 0, 0]),
        (lambda: [util.to_str(each) for each in (b"\xc3\xa9", "x", b"\xff")], ["é", "x", "\ufffd"]),
        (lambda: [util.to_bytes(each) for each in ("é", b"x")], [b"\xc3\xa9", b"x"]),
        (lambda: (util.get_username_from_uid(0), util.get_default_gid(0)), ("root", 0)),
        (lambda: [util.bytes2human(n) for n in (100, 10000, 100000000)], ["100B", "9.77K", "95.37M"]),
        (lambda: [util.bytes2human(n) for n in (0, 1023, 1024, 2**31)], ["0B", "1023B", "1.00K", "2.00G"]),
        (lambda: [util.human2bytes(text) for text in ("9K", "9 K", "9k", "5B")], [9216, 9216, 9216, 5]),
        (lambda: [util.human2bytes(text) for text in ("1.5M", "1kilo", "2Gi")], [1572864, 1024, 2**31]),
        (lambda: util.parse_env_str("A=1, B=$OLD_HOME,C=a=b"), {"A": "1", "B": "/old", "C": "a=b"}),
        (
            lambda: util.parse_env_dict({"A": " $OLD_HOME/x", "B": 3, "C": "$NO_SUCH", "D": "${X} $x"}),
            {"A": "/old/x", "B": "3", "C": "", "D": "${X} $x"},
        ),
        (lambda: util.env_to_str({"B": "2", "A": "1"}), "A=1,B=2"),
        (lambda: [util.convert_opt("cmd", None), util.convert_opt("env", {"A": 1})], ["", "A=1"]),
        (lambda: util.replace_gnu_args("$(circus.a) ((CIRCUS.A)) $(circus.no)", a=1), "1 1 $(circus.no)"),
        (lambda: util.replace_gnu_args("$(circus.env.HOME)", env={"home": "/h"}), "/h"),
        (lambda: util.replace_gnu_args("$(x) $(a.y)", prefix=None, x=3, a={"y": 4}), "3 4"),
        (lambda: util.resolve_name("os.path.join"), os.path.join),
        (lambda: util.resolve_name("os.path:join"), os.path.join),
        (lambda: util.resolve_name("no.such.thing", silent=True), None),
        (lambda: util.DictDiffer({"a": 1, "b": 3, "c": 1}, {"a": 1, "b": 2}).changed(), {"b"}),
        (lambda: util.dict_differ({"a": 1}, {"a": 1}), False),
        (lambda: util.ObjectDict(a=1).a, 1),
        (lambda: util.get_python_version(), sys.version_info[:3]),
        (lambda: util.LOG_LEVELS["info"], logging.INFO),
    ],
)  # fmt: skip
def test_what_they_return(call: Callable[[], Any], result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD_HOME", "/old")
    assert call() == result


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: util.to_bool("maybe"), ValueError, "'maybe' is not a boolean"),
        (lambda: util.to_signum("nope"), ValueError, "'nope' is not a signal"),
        (lambda: util.to_uid("no-such-user"), ValueError, "'no-such-user' isn't a valid user name"),
        (lambda: util.to_uid(4_000_000_000), ValueError, "4000000000 isn't a valid user id"),
        (lambda: util.to_uid(None), TypeError, "got None"),  # type: ignore[arg-type]
        (lambda: util.to_gid("no-such-group"), ValueError, "No such group: 'no-such-group'"),
        (lambda: util.bytes2human(1.5), TypeError, "1.5"),  # type: ignore[arg-type]
        (lambda: util.human2bytes("5"), ValueError, "can't interpret '5'"),
        (lambda: util.human2bytes("9X"), ValueError, "can't interpret '9X'"),
        (lambda: util.parse_env_str("A"), ValueError, "'A' is not of the form"),
        (lambda: util.resolve_name("os.nope"), ImportStringError, "can't import 'os.nope'"),
        (lambda: util.create_udp_socket("127.0.0.1", 0), ValueError, "not a multicast address"),
    ],
)
def test_what_they_refuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_resolve_name_imports_once_more_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "changing.py").write_text("def answer(): return 1\n")
    assert util.resolve_name("changing.answer")() == 1
    (tmp_path / "changing.py").write_text("def answer(): return 2\n")
    assert util.resolve_name("changing.answer")() == 1
    assert util.resolve_name("changing.answer", reload=True)() == 2


# -- what a process costs


def test_get_info_measures_this_process_or_another() -> None:
    info = util.get_info()
    assert isinstance(info, dict)
    assert info["pid"] == os.getpid()
    assert info["children"] == []
    assert set(info) >= {"mem_info1", "cpu", "mem", "ctime", "username", "nice", "age", "cmdline"}
    parent = util.get_info(psutil.Process(os.getppid()), with_childs=True, interval=0.15)
    assert isinstance(parent, dict)
    assert os.getpid() in [child["pid"] for child in parent["children"]]
    assert util.get_info(2**22 + 1) == "No such process (stopped?)"


# -- futures


def test_the_exception_of_a_future_is_returned_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def futures() -> list[Any]:
        loop = asyncio.get_running_loop()
        failed, fine, pending = (loop.create_future() for _ in range(3))
        failed.set_exception(ValueError("boo"))
        fine.set_result(1)
        return [util.check_future_exception_and_log(each) for each in (failed, fine, pending, None)]

    error, *others = asyncio.run(futures())
    assert isinstance(error, ValueError)
    assert others == [None, None, None]
    assert caplog.messages == ["exception boo caught"]


def test_a_transformable_future_follows_another() -> None:
    async def follow() -> tuple[Any, Any]:
        loop = asyncio.get_running_loop()
        upstream = loop.create_future()
        first, second = util.TransformableFuture(), util.TransformableFuture()
        for future in (first, second):
            future.set_upstream_future(upstream)
        first.set_transform_function(lambda n: {"numprocesses": n})
        upstream.set_result(3)
        await util.tornado_sleep(0)
        return await first, await second

    assert asyncio.run(follow()) == ({"numprocesses": 3}, 3)


def test_decorators_leave_the_function_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "circus")

    @util.synchronized("manage")
    @util.debuglog
    def double(n: int) -> int:
        return 2 * n

    assert double(4) == 8
    assert double.__name__ == "double"
    assert len(caplog.messages) == 2


# -- sockets


def test_get_connection_connects_a_socket_of_zeromq(tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.REP) as server, context.socket(zmq.REQ) as client:
        server.bind(f"ipc://{tmp_path}/x")
        util.get_connection(client, f"ipc://{tmp_path}/x")
        client.send(b"ping")
        assert server.recv() == b"ping"
        client.linger = server.linger = 0


def test_a_multicast_socket_receives() -> None:
    with util.create_udp_socket("237.219.251.97", 0) as receiver:
        assert receiver.type == socket.SOCK_DGRAM
        os.set_inheritable(receiver.fileno(), True)
        util.close_on_exec(receiver.fileno())
        assert not receiver.get_inheritable()


# -- virtualenv


def test_load_virtualenv_changes_the_environment_of_a_watcher(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.8/site-packages").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    watcher = SimpleNamespace(name="web", copy_env=True, virtualenv=str(tmp_path), env={"A": "1"})
    util.load_virtualenv(watcher, py_ver="3.8")
    assert watcher.env["A"] == "1"
    assert watcher.env["PATH"].startswith(f"{tmp_path}/bin:")
    assert watcher.env["PYTHONPATH"].endswith("lib/python3.8/site-packages")


# -- the log


@pytest.fixture
def _own_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in ("circus", "circus_core")]
    handlers, level = list(root.handlers), root.level
    yield
    for logger in (root, *ours):
        for handler in list(logger.handlers):
            if handler not in handlers:
                logger.removeHandler(handler)
                handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger in ours:
        logger.setLevel(logging.NOTSET)


@pytest.mark.usefixtures("_own_logging")
@pytest.mark.parametrize("level", ["INFO", logging.INFO])
def test_configure_logger_leaves_the_handlers_of_its_host(tmp_path: Path, level: str | int) -> None:
    logger, before = logging.getLogger("circus"), list(logging.getLogger().handlers)
    assert before  # those of pytest
    util.configure_logger(logger, level, str(tmp_path / "log"), None)
    logger.info("ours")
    logging.getLogger("shop").error("theirs")
    assert logging.getLogger().handlers == before
    assert (tmp_path / "log").read_text().endswith(f"circus[{os.getpid()}] [INFO] ours\n")


def test_importing_configures_no_logging() -> None:
    code = "import logging, circus.util, circus.client; print(logging.root.handlers, circus.logger.handlers)"
    assert run_python(code).strip() == "[] []"


# -- daemons


def run_python(code: str) -> str:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout


def test_daemonize_returns_in_a_process_of_a_new_session(tmp_path: Path) -> None:
    code = f"""
import os, sys
from circus.circusd import daemonize
from circus.pidfile import Pidfile
print("started")
daemonize()
pidfile = Pidfile({str(tmp_path / "pid")!r})
pidfile.create(os.getpid())
print("nobody reads this")
is_new = os.getsid(0) != {os.getsid(0)}
with open({str(tmp_path / "told")!r} + ".new", "w") as file:
    print(is_new, os.readlink("/proc/self/fd/1"), pidfile.validate() == os.getpid(), file=file)
pidfile.unlink()
os.rename(file.name, {str(tmp_path / "told")!r})
"""
    assert run_python(code) == "started\n"
    told = tmp_path / "told"
    until(told.exists)
    assert told.read_text() == "True /dev/null True\n"
    assert not (tmp_path / "pid").exists()


def test_daemonize_refuses_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gevent", SimpleNamespace())
    with pytest.raises(ValueError, match="Cannot daemonize if gevent is loaded"):
        daemonize()


def test_get_maxfd_is_the_limit_of_this_process() -> None:
    assert get_maxfd() >= 1024


def test_a_pid_file_belongs_to_one_living_process(tmp_path: Path) -> None:
    first, second = Pidfile(str(tmp_path / "pid")), Pidfile(str(tmp_path / "pid"))
    first.create(os.getppid())
    assert second.validate() == os.getppid()
    with pytest.raises(RuntimeError, match="which is alive"):
        second.create(os.getpid())
    first.rename(str(tmp_path / "other"))
    assert not (tmp_path / "pid").exists()
    assert Pidfile(str(tmp_path / "other")).validate() == os.getppid()
    second.create(os.getpid())
    for each in (first, second):
        each.unlink()
    assert not list(tmp_path.iterdir())
