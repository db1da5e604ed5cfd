"""Files that people have must load: the reference's section 21, and those of the manual."""

from pathlib import Path

import pytest

from circus_core.config.load import load
from circus_core.config.model import HookConfig, StreamConfig
from circus_core.config.options import Option
from circus_core.config.units import BOOL, OPTIONAL_TEXT
from tests.unit.config.loading import config_of, result_of

WEB_STACK = """
[circus]
statsd = 1

[watcher:shop]
cmd = bin/chaussette --fd $(circus.sockets.shopfront) shop.wsgi.app
use_sockets = True
copy_env = True
copy_path = True
numprocesses = 4

[socket:shopfront]
host = 0.0.0.0
port = 8001
"""

EVERYTHING = """
[circus]
check_delay = 2
endpoint = ipc:///run/shop/control
pubsub_endpoint = ipc:///run/shop/events
include = conf.d/*.ini
umask = 027

[watcher:jobs]
cmd = python3 -u
args = jobs.py --slot $(circus.wid) --region $(CIRCUS.ENV.REGION)
working_dir = /srv/shop
uid = shop
rlimit_nofile = 2048
stop_signal = int
graceful_timeout = 12.5
hooks.before_start = shop.checks.database_up, true
stdout_stream.class = FileStream
stdout_stream.filename = /var/log/shop/jobs.log
stdout_stream.time_format = %Y-%m-%d %H:%M:%S
stdout_stream.max_bytes = 10485760
stdout_stream.backup_count = 3
stderr_stream.class = StdoutStream
flapping.max_retry = 10

[env:jobs]
PATH = /srv/shop/bin:$PATH
REGION = eu

[env:j*, shop]
TZ = UTC

[plugin:flapping]
use = circus.plugins.flapping.Flapping
window = 5

[plugin:metrics]
use = circus.plugins.statsd.FullStats
host = 127.0.0.1
port = 8125
application_name = shop
loop_rate = 15
"""

MANUAL = """
[circus]
check_delay = 5
endpoint = tcp://127.0.0.1:5555
pubsub_endpoint = tcp://127.0.0.1:5556
include = \\*.more.config.ini
umask = 002
[watcher:myprogram]
cmd = python
args = -u myprogram.py $(circus.wid) $(CIRCUS.ENV.VAR)
warmup_delay = 0
numprocesses = 5
# hook
hooks.before_start = my.hooks.control_redis
# will push in test.log the stream every 300 ms
stdout_stream.class = FileStream
stdout_stream.filename = test.log
# optionally rotate the log file when it reaches 1 gb
# and save 5 copied of rotated files
stdout_stream.max_bytes = 1073741824
stdout_stream.backup_count = 5
[env:myprogram]
PATH = $PATH:/bin
CAKE = lie
[plugin:statsd]
use = circus.plugins.statsd.StatsdEmitter
host = localhost
port = 8125
sample_rate = 1.0
application_name = example
[socket:web]
host = localhost
port = 8080
"""

FROM_SUPERVISOR = """
[watcher:example]
cmd=npm start
working_dir=/home/www/my-server/
user=www-data
stderr_stream.class=StdoutStream
"""

ENVIRONMENT_OF_THE_MANUAL = """
[watcher:worker1]
cmd = $(circus.env.shell)
[watcher:worker2]
cmd = ping 127.0.0.1
baz = $(circus.env.user)
bar = $(circus.env.yeah)
sup = $(circus.env.oh)
[socket:socket1]
port = $(circus.env.port)
[plugin:plugin1]
use = some.path
parameter1 = $(circus.env.plugin_param)
[env]
yeah = boo
[env:worker2]
oh = ok
"""

WORKERS = """
[watcher:worker1]
cmd = ping 127.0.0.1
[watcher:worker2]
cmd = ping 127.0.0.1
[env:worker1,worker2]
PATH = /bin
[env:worker1]
PATH = $PATH
[env:worker2]
CAKE = lie
"""

DASHBOARD = [
    Option(name="statsd", kind=BOOL, default=False, doc="Statistics."),
    Option(name="stats_endpoint", kind=OPTIONAL_TEXT, doc="Their address."),
]


def test_the_minimal_web_stack() -> None:
    config = config_of(WEB_STACK, extra_options=DASHBOARD)
    assert config.arbiter.options == {"statsd": True, "stats_endpoint": None}
    assert config.watchers[0].numprocesses == 4
    assert config.sockets[0].port == 8001
    assert not result_of(WEB_STACK, extra_options=DASHBOARD).problems


def test_without_the_package_of_statistics_the_web_stack_starts_with_a_doubt() -> None:
    result = result_of(WEB_STACK)
    assert result.config is not None
    assert [problem.level.value for problem in result.problems] == ["doubt"]


def test_the_file_with_everything() -> None:
    config = config_of(EVERYTHING)
    (jobs,) = config.watchers
    assert config.arbiter.umask == 0o27
    assert jobs.args == "jobs.py --slot $(circus.wid) --region eu"
    assert jobs.own_env == {"PATH": "/srv/shop/bin:/bin", "REGION": "eu", "TZ": "UTC"}
    assert jobs.rlimits == {"nofile": 2048}
    assert (jobs.stop_signal, jobs.graceful_timeout, jobs.uid) == (2, 12.5, "shop")
    assert jobs.hooks == {"before_start": HookConfig(target="shop.checks.database_up", ignore_failure=True)}
    assert jobs.stderr_stream == StreamConfig(class_name="StdoutStream")
    assert jobs.stdout_stream is not None
    assert jobs.stdout_stream.options["time_format"] == "%Y-%m-%d %H:%M:%S"
    assert jobs.options == {"flapping.max_retry": "10"}
    assert [plugin.name for plugin in config.plugins] == ["flapping", "metrics"]
    assert config.plugins[1].options == {
        "host": "127.0.0.1",
        "port": "8125",
        "application_name": "shop",
        "loop_rate": "15",
    }
    assert [problem.level.value for problem in result_of(EVERYTHING).problems] == ["notice"]


def test_the_example_of_the_manual() -> None:
    config = config_of(MANUAL)
    assert config.watchers[0].own_env == {"PATH": "/bin:/bin", "CAKE": "lie"}
    assert [problem.level.value for problem in result_of(MANUAL).problems] == ["notice"]


def test_the_example_for_people_who_come_from_supervisor() -> None:
    (watcher,) = config_of(FROM_SUPERVISOR).watchers
    assert (watcher.cmd, watcher.uid, watcher.working_dir) == (
        "npm start",
        "www-data",
        "/home/www/my-server/",
    )
    assert not result_of(FROM_SUPERVISOR).problems


def test_the_example_of_variables() -> None:
    environ = {"SHELL": "/bin/sh", "USER": "joe", "PORT": "8001", "PLUGIN_PARAM": "p"}
    config = config_of(ENVIRONMENT_OF_THE_MANUAL, environ)
    assert config.watchers[0].cmd == "/bin/sh"
    assert config.watchers[1].options == {"baz": "joe", "bar": "boo", "sup": "ok"}
    assert config.sockets[0].port == 8001
    assert config.plugins[0].options == {"parameter1": "p"}


def test_the_example_of_workers_with_their_variables() -> None:
    first, second = config_of(WORKERS, {"PATH": "/usr/bin"}).watchers
    assert first.env == {"PATH": "/usr/bin"}
    assert second.env == {"PATH": "/bin", "CAKE": "lie"}


@pytest.mark.parametrize("name", ["circus.ini", "circus.conf", "circus", "circus.config"])
def test_a_file_of_any_other_ending_is_an_ini_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FROM_SUPERVISOR)
    assert load(path).config is not None
