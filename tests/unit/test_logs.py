"""Logging of the daemon: section 13 of the configuration reference."""

import json
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.cli.logs import configure_logging, reopen_log_files
from circus_core.errors import ConfigError

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d circus\[(\d+)\] \[([A-Z]+)\] (.*)")
LOG = logging.getLogger("circus")


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    disabled = {
        logger: logger.disabled
        for logger in logging.Logger.manager.loggerDict.values()
        if isinstance(logger, logging.Logger)
    }
    yield
    for logger in (root, LOG, logging.getLogger("circus_core")):
        for handler in list(logger.handlers):
            if handler not in handlers:
                logger.removeHandler(handler)
                handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    LOG.setLevel(logging.NOTSET)
    logging.getLogger("circus_core").setLevel(logging.NOTSET)
    LOG.propagate = True
    for logger, was_disabled in disabled.items():
        logger.disabled = was_disabled


def lines(path: Path) -> list[tuple[str, str]]:
    found = [LINE.fullmatch(line) for line in path.read_text().splitlines()]
    assert all(match is not None and match.group(1) == str(os.getpid()) for match in found)
    return [(match.group(2), match.group(3)) for match in found if match is not None]


@pytest.mark.parametrize("output", ["-", "stdout"])
def test_the_default_is_standard_error(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", output)
    LOG.info("started %s", "web")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert LINE.fullmatch(captured.err.rstrip("\n"))


@pytest.mark.parametrize(("level", "kept"), [("info", 3), ("WARNING", 2), ("critical", 0), ("debug", 4)])
def test_the_level_chooses_what_is_logged(tmp_path: Path, level: str, kept: int) -> None:
    configure_logging(level, str(tmp_path / "log"))
    for log in (LOG.debug, LOG.info, LOG.warning, LOG.error):
        log("x")
    assert len(lines(tmp_path / "log")) == kept


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loglevel must be one of .*, got 'chatty'"):
        configure_logging("chatty")


def test_a_file_is_opened_again_when_it_was_moved_or_deleted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    configure_logging("info", str(path))
    LOG.info("one")
    path.rename(tmp_path / "log.1")
    LOG.info("two")
    path.unlink()
    LOG.info("three")
    assert lines(tmp_path / "log.1") == [("INFO", "one")]
    assert lines(path) == [("INFO", "three")]


def test_a_file_is_not_inherited_by_processes(tmp_path: Path) -> None:
    configure_logging("info", str(tmp_path / "log"))
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.FileHandler)
    assert handler.stream is not None
    assert not os.get_inheritable(handler.stream.fileno())


def test_a_file_that_cannot_be_opened_again_does_not_stop_the_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    configure_logging("info", str(folder / "log"))
    (folder / "log").unlink()
    folder.rmdir()
    LOG.info("one")
    LOG.info("two")
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "can't write to the log" in error
    assert "first lost: one" in error
    folder.mkdir()
    LOG.info("three")
    assert lines(folder / "log") == [("INFO", "three")]


def test_a_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"logoutput: can't open '.*/nowhere/log': no such file or directory"
    ):
        configure_logging("info", str(tmp_path / "nowhere" / "log"))


def test_configuring_again_replaces_the_handler(tmp_path: Path) -> None:
    configure_logging("info", str(tmp_path / "a"))
    configure_logging("info", str(tmp_path / "b"))
    LOG.info("x")
    assert lines(tmp_path / "a") == []
    assert lines(tmp_path / "b") == [("INFO", "x")]


SYSLOG_LINE = rb"<(\d+)>[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d circus\[\d+\] \[INFO\] hello"


@pytest.mark.parametrize(
    ("facility", "priority"), [("?local3", 158), ("", 14), ("?nope", 14), ("?DAEMON", 30)]
)
def test_syslog_by_datagrams(facility: str, priority: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        configure_logging("info", f"syslog://127.0.0.1:{server.getsockname()[1]}{facility}")
        LOG.info("hello")
        match = re.fullmatch(SYSLOG_LINE, server.recv(1000))
        assert match is not None
        assert int(match.group(1)) == priority


def test_a_local_syslog_may_come_go_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "syslog"
    configure_logging("info", f"syslog://{path}?local3")
    LOG.info("lost")
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(path))
            server.settimeout(10)
            LOG.info("hello")
            assert re.fullmatch(SYSLOG_LINE, server.recv(1000))
        path.unlink()
        LOG.info("lost")
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_a_hung_local_syslog_does_not_hold_up_the_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "syslog"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        configure_logging("info", f"syslog://{path}")
        for _ in range(2000):
            LOG.info("x" * 1000)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("url", ["syslog://host:99999", "syslog://[", "syslog://a..b"])
def test_a_wrong_syslog_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="logoutput: "):
        configure_logging("info", url)


# -- loggerconfig


def mapping(target: Path) -> dict[str, object]:
    return {
        "version": 1,
        "disable_existing_loggers": True,
        "formatters": {"plain": {"format": "own %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(target), "formatter": "plain"}},
        "root": {"level": "DEBUG", "handlers": ["file"]},
    }


INI = """
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = plain
[logger_root]
level = DEBUG
handlers = file
[handler_file]
class = FileHandler
formatter = plain
args = ({target!r},)
[formatter_plain]
format = own %(message)s
"""


@pytest.mark.parametrize("ending", [".ini", ".json", ".yaml", ".yml"])
def test_a_file_can_configure_all_of_logging(tmp_path: Path, ending: str) -> None:
    target, path = tmp_path / "log", tmp_path / f"logging{ending}"
    path.write_text(INI.format(target=str(target)) if ending == ".ini" else json.dumps(mapping(target)))
    configure_logging("critical", "-", str(path))
    LOG.debug("hello")
    assert target.read_text() == "own hello\n"


@pytest.mark.parametrize("word", ["default", "DEFAULT"])
def test_default_means_no_such_file(tmp_path: Path, word: str) -> None:
    configure_logging("info", str(tmp_path / "log"), word)
    LOG.info("x")
    assert lines(tmp_path / "log") == [("INFO", "x")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "must end in one of .ini, .json, .yaml, .yml"),
        ("a.json", "{", "a.json: Expecting property name"),
        ("a.json", "[]", "a.json must hold a mapping"),
        ("a.json", '{"version": 2}', "a.json: Unsupported version: 2"),
        ("a.json", '{"version": 1, "root": {"handlers": ["x"]}}', "a.json: Unable to configure root logger"),
        ("a.yaml", "a: [", "a.yaml: while parsing"),
        ("a.ini", "nothing", "a.ini: "),
        ("a.ini", "[loggers]\nkeys = root\n", "a.ini: "),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        configure_logging("info", "-", str(tmp_path / name))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read '.*/a\.ini': No such file or directory"):
        configure_logging("info", "-", str(tmp_path / "a.ini"))


def test_yaml_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"needs circus-core\[yaml\]; install it"):
        configure_logging("info", "-", str(tmp_path / "a.yaml"))


def test_a_moved_log_file_is_opened_again(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(
        json.dumps(
            {
                "version": 1,
                "handlers": {"file": {"class": "logging.FileHandler", "filename": str(tmp_path / "log")}},
                "root": {"level": "INFO", "handlers": ["file"]},
            }
        )
    )
    configure_logging(loggerconfig=str(tmp_path / "log.json"))
    LOG.info("one")
    reopen_log_files()
    LOG.info("two")
    (tmp_path / "log").rename(tmp_path / "log.1")
    reopen_log_files()
    LOG.info("three")
    assert (tmp_path / "log.1").read_text() == "one\ntwo\n"
    assert (tmp_path / "log").read_text() == "three\n"


def test_a_log_file_that_can_not_be_opened_again_goes_on_being_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    handler = logging.FileHandler(folder / "log")
    LOG.addHandler(handler)
    folder.rename(tmp_path / "moved")
    reopen_log_files()
    LOG.warning("still here")
    text = (tmp_path / "moved" / "log").read_text()
    assert "can't open the log file again" in text
    assert text.endswith("still here\n")


def test_nothing_is_left_of_an_earlier_configuration(tmp_path: Path) -> None:
    configuration = {
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(tmp_path / "old")}},
        "loggers": {"circus": {"level": "ERROR", "handlers": ["file"], "propagate": False}},
    }
    (tmp_path / "log.json").write_text(json.dumps(configuration))
    configure_logging(loggerconfig=str(tmp_path / "log.json"))
    configure_logging("info", str(tmp_path / "new"))
    LOG.info("hello")
    logging.getLogger("circus.hooks").info("and from a hook")
    assert (tmp_path / "old").read_text() == ""
    assert [message for _, message in lines(tmp_path / "new")] == ["hello", "and from a hook"]


def test_a_configuration_that_fails_leaves_nothing_switched_off(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text('{"version": 1, "root": {"handlers": ["nobody"]}}')
    with pytest.raises(ConfigError, match="Unable to configure root logger"):
        configure_logging(loggerconfig=str(tmp_path / "log.json"))
    configure_logging("info", str(tmp_path / "log"))
    LOG.info("hello")
    assert lines(tmp_path / "log") == [("INFO", "hello")]


def test_a_host_keeps_its_handlers_and_gets_nothing_of_its_own_in_our_place(tmp_path: Path) -> None:
    host = logging.FileHandler(tmp_path / "host")
    root = logging.getLogger()
    root.addHandler(host)
    try:
        configure_logging("info", str(tmp_path / "first"), as_guest=True)
        configure_logging("info", str(tmp_path / "log"), as_guest=True)
        LOG.info("ours")
        logging.getLogger("shop").warning("theirs")
        assert host in root.handlers
    finally:
        root.removeHandler(host)
        host.close()
    assert (tmp_path / "host").read_text() == "ours\ntheirs\n"
    assert lines(tmp_path / "log") == [("INFO", "ours")]
    assert (tmp_path / "first").read_text() == ""


def test_a_host_without_handlers_is_served_as_circusd_is(tmp_path: Path) -> None:
    root = logging.getLogger()
    root.handlers[:] = []
    configure_logging("warning", str(tmp_path / "log"), as_guest=True)
    logging.getLogger("shop").warning("theirs")
    assert lines(tmp_path / "log") == [("WARNING", "theirs")]
