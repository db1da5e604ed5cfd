"""Every import path of Circus 0.19 leads to what it did, or says what takes its place."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

NAMES = {
    "circus.client": "CircusClient AsyncCircusClient make_message cast_message make_json CallError",
    "circus.consumer": "CircusConsumer",
    "circus.exc": "AlreadyExist MessageError CallError ArgumentError ConflictError",
    "circus.plugins": "CircusPlugin get_plugin_cmd main",
    "circus.plugins.flapping": "Flapping",
    "circus.plugins.statsd": "StatsdEmitter FullStats BaseObserver StatsdClient",
    "circus.plugins._statsd": "StatsdEmitter",
    "circus.plugins.resource_watcher": "ResourceWatcher",
    "circus.plugins.watchdog": "WatchDog",
    "circus.plugins.command_reloader": "CommandReloader",
    "circus.plugins.http_observer": "HttpObserver",
    "circus.plugins.redis_observer": "RedisObserver",
    "circus.stream": "FileStream WatchedFileStream TimedRotatingFileStream QueueStream StdoutStream"
    " FancyStdoutStream Redirector get_stream Empty Queue",
    "circus.stream.file_stream": "FileStream WatchedFileStream TimedRotatingFileStream",
    "circus.stream.redirector": "Redirector",
    "circus.config": "get_config read_config DefaultConfigParser watcher_defaults rlimit_value",
    "circus.util": "DEFAULT_ENDPOINT_DEALER DEFAULT_ENDPOINT_SUB DEFAULT_ENDPOINT_STATS"
    " DEFAULT_ENDPOINT_MULTICAST IS_WINDOWS MAXFD REDIRECT_TO LOG_LEVELS LOG_FMT LOG_DATE_FMT"
    " LOG_DATE_SYSLOG_FMT configure_logger check_future_exception_and_log tornado_sleep synchronized debuglog"
    " TransformableFuture AsyncPeriodicCallback DictDiffer dict_differ ObjectDict ConflictError to_bool"
    " to_signum to_uid to_gid to_str to_bytes get_username_from_uid get_default_gid bytes2human human2bytes"
    " get_info parse_env_str parse_env_dict env_to_str convert_opt resolve_name ImportStringError"
    " replace_gnu_args get_connection load_virtualenv create_udp_socket get_python_version get_working_dir"
    " close_on_exec papa",
    "circus.pidfile": "Pidfile",
    "circus.circusd": "main daemonize get_maxfd closerange MAXFD REDIRECT_TO",
    "circus.circusctl": "main USAGE VERSION CircusCtl ControllerApp prettify",
    "circus.commands": "get_commands ok error",
    "circus.commands.base": "Command get_commands ok error KNOWN_COMMANDS",
    "circus.commands.errors": "NOT_SPECIFIED INVALID_JSON UNKNOWN_COMMAND MESSAGE_ERROR OS_ERROR"
    " COMMAND_ERROR BAD_MSG_DATA_ERROR",
    "circus.commands.util": "convert_option validate_option",
    "circus.stats": "main",
    "circus.stats.client": "StatsClient main",
    "circus.stats.streamer": "StatsStreamer",
    "circus.py3compat": "string_types integer_types text_type long bytestring b s is_callable sort_by_field",
}

INSTEAD = {
    "circus.stats.collector": "circus_stats.StatsClient",
    "circus.stats.publisher": "circus_core.GuardedPublisher",
    "circus.web": "circus-httpd",
    "circusweb": "circus-httpd",
    "circus.tests.support": "circus_core.testing",
    "circus.papa_process_proxy": "circus-core supervises the processes itself",
    "circus.stream.papa_redirector": "circus.stream.Redirector",
}


@pytest.mark.parametrize("module", NAMES)
def test_a_path_has_its_names(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


@pytest.mark.parametrize("module", INSTEAD)
def test_what_is_gone_says_what_takes_its_place(module: str) -> None:
    with pytest.raises(ImportError, match=f"there is no {module} any more; .*{INSTEAD[module]}"):
        importlib.import_module(module)


def test_importing_all_of_it_warns_of_nothing_and_starts_nothing() -> None:
    code = (
        "import importlib, sys, threading\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(threading.active_count())"
    )
    words = [sys.executable, "-W", "error", "-c", code, *NAMES]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_the_helpers_of_python_2_work() -> None:
    compat = importlib.import_module("circus.py3compat")
    assert (compat.b("é"), compat.s("é"), compat.bytestring("é")) == (b"\xe9", "é", b"\xc3\xa9")
    rows = [{"name": "b"}, {"name": "a"}]
    compat.sort_by_field(rows)
    assert rows[0] == {"name": "a"}


@pytest.mark.parametrize(
    ("module", "program"),
    [
        ("circus.circusd", "circusd"),
        ("circus.circusctl", "circusctl"),
        ("circus.plugins", "circus-plugin"),
        ("circus.stats", "circusd-stats"),
        ("circus.stats.client", "circus-top"),
    ],
)
def test_main_runs_the_program_and_ends(
    module: str, program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert ended.value.code in (0, None)
    assert program in capsys.readouterr().out.partition("\n")[0]
