"""`[circus]`, `[socket:NAME]`, `[plugin:NAME]`, `[DEFAULT]`: sections 3, 7, 16, 17 of the reference."""

from typing import Any

import pytest

from circus_core.config.model import ArbiterConfig, SocketConfig
from circus_core.config.options import Option
from circus_core.config.units import BOOL, whole
from tests.unit.config.loading import config_of, messages_of


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("endpoint = ipc:///run/c", "endpoint", "ipc:///run/c"),
        ("endpoint_owner = nobody", "endpoint_owner", "nobody"),
        ("pubsub_endpoint = tcp://0.0.0.0:9", "pubsub_endpoint", "tcp://0.0.0.0:9"),
        (
            "multicast_endpoint = udp://237.219.251.97:12027",
            "multicast_endpoint",
            "udp://237.219.251.97:12027",
        ),
        ("multicast_endpoint =", "multicast_endpoint", None),
        ("auth = CURVE", "auth", "curve"),
        ("auth = none", "auth", "none"),
        ("keys = /etc/circus/keys", "keys", "/etc/circus/keys"),
        ("allow_full = root, 65534", "allow_full", ("root", 65534)),
        ("allow_read = nobody,", "allow_read", ("nobody",)),
        ("allow_read =", "allow_read", ()),
        ("check_delay = 2", "check_delay", 2.0),
        ("check_delay = -1", "check_delay", -1.0),
        ("warmup_delay = 1", "warmup_delay", 1.0),
        ("umask = 002", "umask", 0o002),
        ("umask = 27", "umask", 0o27),
        ("pidfile = /run/c.pid", "pidfile", "/run/c.pid"),
        ("loglevel = DEBUG", "loglevel", "debug"),
        ("logoutput = /var/log/c", "logoutput", "/var/log/c"),
        ("logoutput = syslog:///dev/log?local3", "logoutput", "syslog:///dev/log?local3"),
        ("loggerconfig = log.yml", "loggerconfig", "log.yml"),
        ("loggerconfig = Default", "loggerconfig", None),
        ("debug = 1", "debug", True),
        ("debug_gc = 1", "debug_gc", True),
        ("fqdn_prefix = a", "fqdn_prefix", "a"),
    ],
)
def test_an_option_of_the_daemon_reaches_its_field(line: str, field: str, value: Any) -> None:
    assert getattr(config_of(f"[circus]\n{line}\n").arbiter, field) == value


def test_an_empty_file_gives_the_defaults() -> None:
    config = config_of("")
    assert config.arbiter == ArbiterConfig()
    assert (config.watchers, config.sockets, config.plugins) == ((), (), ())


EXTRA = [
    Option(name="dashboard", kind=BOOL, default=False, doc="Run it."),
    Option(name="dashboard_port", kind=whole(0), default=8080, doc="Its port."),
    Option(name="weight", kind=whole(0), section="watcher", doc="For the dashboard."),
]


def test_options_of_packages_are_converted_and_have_their_defaults() -> None:
    config = config_of("[circus]\ndashboard = 1\n[watcher:web]\ncmd = x\nweight = 3\n", extra_options=EXTRA)
    assert config.arbiter.options == {"dashboard": True, "dashboard_port": 8080}
    assert config.watchers[0].options == {"weight": 3}


def test_a_wrong_value_of_a_packages_option_is_an_error() -> None:
    assert messages_of("[circus]\ndashboard_port = x\n", extra_options=EXTRA) == [
        "circus.ini:2: [circus]: dashboard_port must be a whole number >= 0, got 'x'"
    ]


def test_an_option_without_its_package_names_what_can_be_installed() -> None:
    assert messages_of("[circus]\ndashboard = 1\n", extras=lambda: ("circus-core[a]", "circus-core[b]")) == [
        "circus.ini:2: [circus]: no installed package provides option 'dashboard'; "
        "packages that add options: circus-core[a], circus-core[b]"
    ]


# -- sockets


def socket_of(text: str) -> SocketConfig:
    return config_of(f"[socket:web]\n{text}").sockets[0]


def test_the_defaults_of_a_socket() -> None:
    assert socket_of("backlog = 2048\n") == SocketConfig(name="web")


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("host = 0.0.0.0", "host", "0.0.0.0"),
        ("port = 0", "port", 0),
        ("family = af_inet6", "family", "AF_INET6"),
        ("type = sock_dgram", "type", "SOCK_DGRAM"),
        ("proto = udp", "proto", "udp"),
        ("backlog = 5", "backlog", 5),
        ("path = /run/s", "family", "AF_UNIX"),
        ("path = /run/s", "umask", None),
        ("umask = 022", "umask", 0o22),
        ("umask = 000", "umask", 0),
        ("replace = yes", "replace", True),
        ("interface = eth0", "interface", "eth0"),
        ("so_reuseport = yes", "so_reuseport", True),
        ("blocking = yes", "blocking", True),
        ("color = red", "options", {"color": "red"}),
    ],
)
def test_an_option_of_a_socket_reaches_its_field(line: str, field: str, value: Any) -> None:
    assert getattr(socket_of(f"{line}\n"), field) == value


def test_socket_names_are_in_lower_case() -> None:
    assert [socket.name for socket in config_of("[socket:Shop Front]\nport = 1\n").sockets] == ["shop front"]


# -- plugins


def test_a_plugin_and_the_watcher_that_runs_it() -> None:
    (plugin,) = config_of(
        '[plugin:mine]\nuse = a.b.C\nregex = "^te st.*$"\nmax_retry = 2\n[env]\nA = 1\n'
    ).plugins
    assert (plugin.name, plugin.use, plugin.run_in) == ("mine", "a.b.C", "process")
    assert plugin.options == {"regex": "^te st.*$", "max_retry": "2"}
    watcher = plugin.watcher
    assert (watcher.name, watcher.cmd, watcher.priority, watcher.singleton) == ("plugin:mine", "", 1, True)
    assert (watcher.copy_env, watcher.copy_path, watcher.autostart) == (True, True, True)
    assert (watcher.close_child_stdout, watcher.close_child_stderr) == (True, True)
    assert watcher.max_retry == 2
    assert watcher.options == {}
    assert "A" not in watcher.env
    assert "PATH" in watcher.env
    assert "PYTHONPATH" in watcher.env


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("active = False", "autostart", False),
        ("active = yes", "autostart", True),
        ("priority = 5", "priority", 5),
        ("close_child_stdout = False", "close_child_stdout", False),
        ("stdout_stream.class = X", "close_child_stdout", False),
        ("stdout_stream.class = X", "close_child_stderr", True),
        ("uid = joe", "uid", "joe"),
        ("rlimit_core = 0", "rlimits", {"core": 0}),
        ("cmd = mine", "cmd", ""),
        ("name = other", "name", "plugin:mine"),
    ],
)
def test_options_of_watchers_work_in_plugin_sections(line: str, field: str, value: Any) -> None:
    (plugin,) = config_of(f"[plugin:mine]\nuse = x\n{line}\n").plugins
    assert getattr(plugin.watcher, field) == value
    key, text = line.split(" = ")
    assert plugin.options == {key: text}


def test_debug_shows_the_output_of_plugins() -> None:
    (plugin,) = config_of("[circus]\ndebug = 1\n[plugin:mine]\nuse = x\n").plugins
    assert not plugin.watcher.close_child_stdout
    assert not plugin.watcher.close_child_stderr


def test_a_plugin_can_run_inside_the_daemon() -> None:
    assert config_of("[plugin:mine]\nuse = x\nrun_in = Daemon\n").plugins[0].run_in == "daemon"


# -- [DEFAULT]


def test_defaults_are_for_the_sections_they_fit() -> None:
    config = config_of(
        "[DEFAULT]\ncopy_env = True\nbacklog = 5\nteam = shop\nloglevel = debug\n"
        "[circus]\ndebug = 0\n[watcher:web]\ncmd = x\n[socket:s]\nport = 1\n[plugin:p]\nuse = x\n"
    )
    assert config.arbiter.loglevel == "debug"
    assert config.watchers[0].copy_env
    assert config.watchers[0].options["team"] == "shop"
    assert config.sockets[0].backlog == 5
    assert config.sockets[0].options == {}
    assert config.plugins[0].options == {"copy_env": "True"}


def test_a_section_overrules_the_defaults() -> None:
    config = config_of(
        "[DEFAULT]\nnumprocesses = 4\n[watcher:a]\ncmd = x\nnumprocesses = 2\n[watcher:b]\ncmd = x\n"
    )
    assert [watcher.numprocesses for watcher in config.watchers] == [2, 4]


def test_patterns_and_headers_with_trailing_text() -> None:
    assert messages_of("[watcher:web] extra\ncmd = x\n") == [
        "circus.ini:1: watcher 'web': text behind the section header is ignored: 'extra'"
    ]
