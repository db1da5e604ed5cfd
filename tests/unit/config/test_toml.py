"""Toml files give the same configuration as ini files, with the line of every key."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from circus_core.config.load import load
from circus_core.config.model import Config
from circus_core.config.toml import parse_toml

INI = """
[circus]
check_delay = 2
umask = 027
include = conf.d/*.ini other.d/*.ini

[watcher:jobs]
cmd = python3 -u
args = jobs.py --slot $(circus.wid) --region $(CIRCUS.ENV.REGION)
numprocesses = 3
copy_env = true
rlimit_nofile = 2048
stop_signal = int
graceful_timeout = 12.5
hooks.before_start = shop.checks.database_up, true
stdout_stream.class = FileStream
stdout_stream.filename = /var/log/jobs.log
stdout_stream.max_bytes = 10485760
flapping.max_retry = 10
team = shop
paused = True

[env]
TZ = UTC

[env:j*, shop]
REGION = eu

[socket:Shop]
port = 8001

[plugin:metrics]
use = metrics
port = 8125
sample_rate = 1.0
"""

TOML = """
[circus]
check_delay = 2
umask = "027"
include = ["conf.d/*.ini", "other.d/*.ini"]

[watcher.jobs]
cmd = "python3 -u"
args = "jobs.py --slot $(circus.wid) --region $(CIRCUS.ENV.REGION)"
numprocesses = 3
copy_env = true
rlimit_nofile = 2048
stop_signal = "int"
graceful_timeout = 12.5
hooks.before_start = ["shop.checks.database_up", true]
flapping.max_retry = 10
team = "shop"
paused = true

[watcher.jobs.stdout_stream]
class = "FileStream"
filename = "/var/log/jobs.log"
max_bytes = 10485760

[env]
TZ = "UTC"

[env."j*, shop"]
REGION = "eu"

["socket:Shop"]
port = 8001

[plugin.metrics]
use = "metrics"
port = 8125
sample_rate = 1.0
"""


def loaded(path: Path, text: str) -> Config:
    path.write_text(text)
    result = load(path, environ={"PATH": "/bin"})
    assert not [problem for problem in result.problems if problem.level.value != "notice"]
    assert result.config is not None
    return replace(result.config, path=None)


def test_toml_and_ini_give_equal_configurations(tmp_path: Path) -> None:
    assert loaded(tmp_path / "circus.toml", TOML) == loaded(tmp_path / "circus.ini", INI)


def lines(text: str) -> dict[str, int | None]:
    file = parse_toml(text, Path("circus.toml"))
    assert not file.problems
    return {
        f"{section.name}/{key}": raw.line for section in file.sections for key, raw in section.values.items()
    }


def test_every_key_has_its_line() -> None:
    text = (
        "# first\n"
        "[watcher.web] # [no]\n"
        'cmd = "a # b" # c\n'
        "\n"
        "args = [\n"
        '  "x", # ]\n'
        '  "y = 1",\n'
        "]\n"
        'note = """\n'
        "[not.a.table]\n"
        'key = 1 """\n'
        "other = '''\n"
        "z = 2'''\n"
        "hooks = { before_start = 'a.b' }\n"
        '"stop_signal" = 3\n'
        "stdout_stream.class = 'X'\n"
        '["socket:s"]\n'
        "port = 1\n"
        "[watcher.api.stderr_stream]\n"
        "class = 'Y'"
    )
    assert lines(text) == {
        "watcher:web/cmd": 3,
        "watcher:web/args": 5,
        "watcher:web/note": 9,
        "watcher:web/other": 12,
        "watcher:web/hooks.before_start": 14,
        "watcher:web/stop_signal": 15,
        "watcher:web/stdout_stream.class": 16,
        "socket:s/port": 18,
        "watcher:api/stderr_stream.class": 20,
    }


def test_a_syntax_error_has_its_line() -> None:
    (problem,) = parse_toml("[circus]\ncheck_delay = \n", Path("circus.toml")).problems
    assert str(problem) == "circus.toml:2: not toml: Invalid value"


@given(st.text(alphabet=st.sampled_from("[]{}=.,#'\"\\ \nab1")))
def test_any_text_is_read_or_refused(text: str) -> None:
    file = parse_toml(text, Path("circus.toml"))
    for problem in file.problems:
        assert problem.line is not None


KEYS = st.text("abc_", min_size=1, max_size=4)
TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="'"), max_size=12)


@given(st.dictionaries(KEYS, st.lists(TEXTS, max_size=3), min_size=1, max_size=6))
def test_lines_are_right_whatever_the_values_hold(table: dict[str, list[str]]) -> None:
    text, expected = ["[circus]"], {}
    for key, items in table.items():
        expected[f"circus/{key}"] = len(text) + 1
        text += [f"{key} = [", *(f"  '{item}', # ] '" for item in items), "]"]
    assert lines("\n".join(text)) == expected
