"""What circusctl prints for each command, and the keys of its JSON: facts about Circus 0.19, and what is new.

The same table is driven with both circusctl against both circusd. A row stands alone: `{new}` in it is a
watcher of its own, of which one process `sleep 1000` runs, `{free}` a name that no watcher has, and `{file}`
the daemon's configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CONFIGURATION", "ROWS", "Row"]

CONFIGURATION = """\
[circus]
check_delay = 0.5

[watcher:web]
cmd = sleep 1000
numprocesses = 2

[watcher:Solo]
cmd = sleep 1000
singleton = True

[watcher:lazy]
cmd = sleep 1000
autostart = False

[socket:inet]
host = 127.0.0.1
port = {port}

[socket:ux]
path = {folder}/ux.sock
"""

_OK = r"ok\n"
_INFO = r"\d+  \S+ \S+ \S+ \S+ \S+ \S+ \S+ \S+"


@dataclass(frozen=True, slots=True)
class Row:
    """One command line.

    Attributes:
        words: as typed behind `circusctl`.
        out, error: patterns that standard output and standard error match as a whole.
        status: exit status.
        keys: of the JSON reply, besides status, time and id; there may be more.
        old_error: what the circusctl of 0.19 prints instead of `error`.
        ctl, daemon: "ours" or "0.19" if it makes sense only with that one.
        is_local: what circusctl prints with --json is its own, no reply of the daemon.
    """

    words: str
    out: str = _OK
    keys: Sequence[str] = ()
    error: str = ""
    status: int = 0
    old_error: str | None = None
    ctl: str | None = None
    daemon: str | None = None
    is_local: bool = False

    @property
    def command(self) -> str:
        return next(word for word in self.words.split() if not word.startswith("-"))


def _refused(
    words: str, reason: str, *, old: str | None = None, ctl: str | None = None, daemon: str | None = None
) -> Row:
    return Row(words, out="", error=reason + r"\n", status=3, old_error=old, ctl=ctl, daemon=daemon)


def _new(
    words: str,
    out: str,
    keys: Sequence[str] = (),
    *,
    error: str = "",
    status: int = 0,
    is_local: bool = False,
) -> Row:
    """A command that 0.19 does not have."""
    return Row(words, out, keys, error, status, ctl="ours", daemon="ours", is_local=is_local)


def _wrong(words: str, complaint: str, *, ctl: str | None = None) -> Row:
    return Row(words, out="", error=f"(error: )?{complaint}(; usage: .*)?" + r"\n", status=1, ctl=ctl)


_UNKNOWN = "error: program ghost not found"

ROWS: Sequence[Row] = (
    Row("add {free} sleep 1000"),
    Row("add --start {free} sleep 1000"),
    Row("add --start {free} --waiting sleep 1000", keys=["started", "kept"], ctl="ours"),
    _refused("add web sleep 1000", ".*'web' already exist"),
    _wrong("add web", "Invalid number of arguments"),
    _new("check", r"/.*/circus\.ini: ok, .*\n", ["usable", "problems", "summary"]),
    _new("check {file}", r"/.*/circus\.ini: ok, .*\n", ["usable", "problems", "summary"]),
    _new("completion zsh", r"#compdef circusctl(?s:.*)", ["shell", "script"], is_local=True),
    Row("decr {new}"),
    Row("decr {new} 5 --waiting", r"0\n", ["numprocesses"]),
    _refused("decr ghost", _UNKNOWN),
    _new("describe web", r"web\n  state +active(?s:.*)", ["descriptions"]),
    _new("describe ghost", "", error=_UNKNOWN + r"\n", status=3),
    Row("dstats", rf"Main Process:\n    {_INFO}\n(?s:.*)", ["info"]),
    Row(
        "get web numprocesses graceful_timeout stop_signal",
        r"numprocesses: 2\ngraceful_timeout: 30\.0\nstop_signal: 15\n",
        ["options"],
    ),
    _refused("get web zz", "error: 'zz' option not found"),
    _refused("get ghost cmd", _UNKNOWN),
    Row(
        "globaloptions",
        r"endpoint: tcp://127\.0\.0\.1:5555\n(?s:.*)pubsub_endpoint: tcp://127\.0\.0\.1:5556\n(?s:.*)",
        ["options"],
    ),
    Row("globaloptions check_delay", r"check_delay: 0\.5\n", ["options"]),
    _refused("globaloptions zz", "'zz' not an existing option"),
    Row("incr {new}"),
    Row("incr {new} 2"),
    Row("incr {new} 2 --waiting", r"3\n", ["numprocesses"]),
    Row(
        "incr Solo",
        r"This watcher is a Singleton - not changing the number of processes\n",
        ["numprocesses", "singleton"],
    ),
    _refused("incr ghost", _UNKNOWN),
    Row("ipython", r"error: Could not start ipython kernel\n(.+\n)?", ["shell", "msg"]),
    _new("keys show", r"keys in /.*\n(?s:.*)", ["folder", "client", "server", "admitted"], is_local=True),
    Row("kill {new}"),
    Row("kill {new} --signum INT"),
    Row("kill {new} --signum KILL --graceful_timeout 2 --waiting", ctl="ours"),
    Row("kill {new} --graceful_timeout 2", daemon="ours"),
    _refused("kill ghost", _UNKNOWN, daemon="ours"),
    Row("list", r"(?s:.*)lazy,(?s:.*)", ["watchers"]),
    Row("list web", r"\d+,\d+\n", ["pids"]),
    Row("list WEB", r"\d+,\d+\n", ["pids"]),
    _refused("list ghost", _UNKNOWN),
    Row(
        "listsockets",
        r"(\d+:socket '(inet' at 127\.0\.0\.1:\d+|ux' at /.*/ux\.sock)\n){2}",
        ["sockets"],
    ),
    _new("logs web", "", ["watchers", "missing"], error=r"nothing of web: (?s:.*)", is_local=True),
    _new("logs ghost", "", error=_UNKNOWN + r"\n", status=3),
    Row("numprocesses", r"\d+\n", ["numprocesses"]),
    Row("numprocesses Web", r"2\n", ["numprocesses", "watcher_name"]),
    _refused("numprocesses ghost", _UNKNOWN),
    Row("numwatchers", r"\d+\n", ["numwatchers"]),
    Row("options web", r"(?s:.*)cmd: sleep 1000\n(?s:.*)\nstop_signal: 15\n(?s:.*)", ["options"]),
    _refused("options ghost", _UNKNOWN),
    _new("plan", r"nothing has changed\n|(?s:.*)w\d+x(?s:.*)", ["plan", "applied"]),
    _new("plugin list", r"circus\.plugins:\n(?s:.*)", ["provided"], is_local=True),
    Row("reload {new}"),
    Row("reload {new} --waiting", keys=["info"]),
    Row("reload {new} --sequential --waiting", keys=["info"]),
    Row("reload {new} --terminate --waiting", keys=["info"]),
    Row("reload --waiting"),
    _refused("reload ghost", _UNKNOWN),
    _new("reopen web", _OK),
    Row("restart {new}"),
    Row("restart {new} --waiting", keys=["info"]),
    Row("restart {new}* --waiting --match glob", keys=["info"]),
    _refused("restart ghost", _UNKNOWN),
    Row("rm {new}"),
    Row("rm {new} --waiting", ctl="ours"),
    _refused("rm ghost", _UNKNOWN),
    Row("set {new} numprocesses 2"),
    Row("set {new} numprocesses 2 --waiting"),
    Row("set {new} graceful_timeout 3.5 stop_signal USR1 send_hup yes"),
    Row("set {new} ARGS 2000 rlimit_nofile 100 --waiting"),
    _wrong("set {new} numprocesses", "(List of key/values is invalid|Invalid number of arguments)"),
    _wrong("set {new} bogus 1", "unknown key 'bogus'"),
    _refused("set ghost numprocesses 2", _UNKNOWN),
    Row("signal {new} 0"),
    Row("signal --recursive {new} USR1"),
    Row("signal --children {new} SIGTERM"),
    _refused("signal {new} !!", "error: signal invalid", ctl="0.19"),
    _wrong("signal {new} !!", "signal invalid", ctl="ours"),
    _refused("signal ghost 15", _UNKNOWN),
    Row("start lazy", keys=[]),
    Row("start {new} --waiting", keys=["info"]),
    Row("start {new} --match simple --waiting", keys=["info"]),
    _refused("start ghost", _UNKNOWN),
    Row("stats", rf"(?s:.*)web:\n(\d+: {_INFO}\n){{2}}(?s:.*)", ["infos"]),
    Row("stats web", rf"web:\n(\d+: {_INFO}\n){{2}}", ["name", "info"]),
    Row("stats --extended web", rf"web:\n(\d+: {_INFO}\n){{2}}", ["name", "info"]),
    _refused("stats ghost", _UNKNOWN),
    Row("status", r"(?s:.*)Solo: active\n(?s:.*)web: active\n(?s:.*)", ["statuses"]),
    Row("status web", r"active\n"),
    _refused("status ghost", _UNKNOWN, old="error"),
    Row("stop {new}"),
    Row("stop {new} --waiting", keys=["info"]),
    Row("stop {new} --match regex --waiting", keys=["info"]),
    _refused("stop ghost", _UNKNOWN),
    _new("reloadconfig --dry-run", r"nothing has changed\n|(?s:.*)w\d+x(?s:.*)", ["plan", "applied"]),
    # these change more than a watcher of their own, so they are the last ones
    Row("reloadconfig"),
    Row("reloadconfig --waiting"),
    Row("restart", daemon="ours"),  # 0.19 does not find its own endpoints free again
    Row("restart --waiting", daemon="ours"),
)
