"""The one table of options: parsing, checks, `get`, `set`, reload and docs/options.md all read it."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

from circus_core.config.units import (
    BOOL,
    CONTROL_ENDPOINT,
    EXIT_STATUSES,
    GROUP,
    HOOK,
    MULTICAST,
    OCTAL,
    OPTIONAL_TEXT,
    OPTIONAL_WHOLE,
    RLIMIT,
    SIGNAL,
    SIZE,
    TEXT,
    USER,
    USERS,
    WHOLE,
    WORDS,
    Kind,
    choice,
    positive_seconds,
    seconds,
    whole,
    whole_seconds,
)
from circus_core.records import dataclass

__all__ = [
    "FAMILIES",
    "FOREIGN",
    "HOOK_NAMES",
    "LOG_LEVELS",
    "OPTIONS",
    "Effect",
    "Option",
    "Table",
]


class Effect(Enum):
    """What `reloadconfig` does when the option has changed; the values are words of the documentation."""

    NOW = "applies at once"
    RESPAWN = "replaces the processes"
    REBIND = "binds the socket again"
    DAEMON = "needs a restart of circusd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a section.

    Attributes:
        name: as written; for a family (`rlimit_NAME`) the placeholder is in capitals.
        kind: what is accepted, and how it is converted.
        default: the value if the option is absent; None if it has no value then.
        unit: of numbers: "seconds", "bytes" ...; "" if there is none.
        doc: one or two sentences for people.
        effect: what a changed value does at `reloadconfig`.
        since: first version that has it; "0.19": Circus 0.19 or an older one has it too.
        section: "circus", "watcher", "socket" or "plugin".
        aliases: other names that mean the same.
        retired: if not empty, the option is accepted and ignored; this says what to do instead.
        required: the section is refused without it.
    """

    name: str
    kind: Kind
    doc: str
    default: Any = None
    unit: str = ""
    effect: Effect = Effect.DAEMON
    since: str = "0.19"
    section: str = "circus"
    aliases: tuple[str, ...] = ()
    retired: str = ""
    required: bool = False


LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug")

HOOK_NAMES: Final = (
    "before_start",
    "after_start",
    "before_spawn",
    "after_spawn",
    "before_stop",
    "after_stop",
    "before_signal",
    "after_signal",
    "before_reap",
    "after_reap",
    "extended_stats",
)

# Options whose names have a part chosen by the user.
FAMILIES: Final = ("rlimit_", "hooks.", "stdout_stream.", "stderr_stream.")

# Words of other supervisors that people write by habit: what the same thing is called here.
FOREIGN: Final[Mapping[str, str]] = {
    "autorestart": "respawn",
    "command": "cmd",
    "directory": "working_dir",
    "killasgroup": "kill_descendants",
    "numprocs": "numprocesses",
    "redirect_stderr": "stderr_stream.class",
    "startretries": "max_retry",
    "stderr_logfile": "stderr_stream.filename",
    "stdout_logfile": "stdout_stream.filename",
    "stopasgroup": "stop_children",
    "stopsignal": "stop_signal",
    "stopwaitsecs": "graceful_timeout",
}

_NEW: Final = "circus-core 0.1"


def _circus(name: str, kind: Kind, default: Any, doc: str, **rest: Any) -> Option:
    return Option(section="circus", name=name, kind=kind, default=default, doc=doc, **rest)


def _watcher(name: str, kind: Kind, default: Any, doc: str, **rest: Any) -> Option:
    return Option(
        section="watcher", name=name, kind=kind, default=default, doc=doc, **{"effect": _RESPAWN, **rest}
    )


def _socket(name: str, kind: Kind, default: Any, doc: str, **rest: Any) -> Option:
    return Option(
        section="socket", name=name, kind=kind, default=default, doc=doc, **{"effect": Effect.REBIND, **rest}
    )


def _plugin(name: str, kind: Kind, default: Any, doc: str, **rest: Any) -> Option:
    return Option(
        section="plugin", name=name, kind=kind, default=default, doc=doc, effect=Effect.RESPAWN, **rest
    )


_NOW, _RESPAWN = Effect.NOW, Effect.RESPAWN
_NO_PAPA: Final = "workers and sockets belong to circusd itself; remove the line"

_CIRCUS: Final = (
    _circus("endpoint", CONTROL_ENDPOINT, "tcp://127.0.0.1:5555", "Address of the control socket."),
    _circus(
        "endpoint_owner",
        USER,
        None,
        "A user who may talk to circusd besides its own and root, and who owns the socket files of ipc:// "
        "endpoints. Clients can then only have processes run as this user; see security.md.",
    ),
    _circus(
        "pubsub_endpoint", CONTROL_ENDPOINT, "tcp://127.0.0.1:5556", "Address on which events are published."
    ),
    _circus(
        "auth",
        choice("auto", "curve", "none"),
        "auto",
        "How clients on tcp are told apart: auto, by their user on 127.0.0.1 and by keys elsewhere; "
        "curve, by keys everywhere; none, not at all. On ipc it is always by user.",
        since=_NEW,
    ),
    _circus(
        "keys",
        OPTIONAL_TEXT,
        None,
        "Folder of the keys that `circusctl keys` makes; if absent $CIRCUS_KEYS, else circus/keys in "
        "$XDG_CONFIG_HOME or ~/.config.",
        since=_NEW,
    ),
    _circus(
        "allow_full",
        USERS,
        (),
        "Further users who may talk to circusd.",
        since=_NEW,
    ),
    _circus(
        "allow_read",
        USERS,
        (),
        "Users who may look at everything and change nothing.",
        since=_NEW,
    ),
    _circus(
        "multicast_endpoint",
        MULTICAST,
        None,
        "Answer discovery requests on this multicast address, 224.0.0.0 to 239.255.255.255, with the control "
        "address. Off unless given: it answers anybody.",
    ),
    _circus(
        "check_delay",
        seconds(None),
        5.0,
        "Period of the checks that no event announces. Zero or less: none.",
        unit="seconds",
        effect=_NOW,
    ),
    _circus(
        "warmup_delay",
        seconds(),
        0.0,
        "Pause between the starts of two watchers.",
        unit="seconds",
        effect=_NOW,
    ),
    _circus(
        "include",
        WORDS,
        "",
        "Files to read after this one, separated by blanks; wildcards allowed; relative to this file.",
        effect=_NOW,
    ),
    _circus(
        "include_dir",
        WORDS,
        "",
        "Folders of which all *.ini files are read after this one; relative to this file.",
        effect=_NOW,
    ),
    _circus("umask", OCTAL, None, "Mode mask of circusd and its processes; inherited if absent."),
    _circus("pidfile", OPTIONAL_TEXT, None, "File that holds the process id of circusd."),
    _circus(
        "loglevel", choice(*LOG_LEVELS), "info", "What is logged: this level and the worse ones.", effect=_NOW
    ),
    _circus(
        "logoutput",
        TEXT,
        "-",
        "Where circusd logs: a file, `-` or `stdout` for standard error, syslog://HOST[:PORT]?FACILITY, "
        "or syslog:///SOCKET?FACILITY.",
    ),
    _circus(
        "loggerconfig",
        OPTIONAL_TEXT,
        None,
        "File (.ini, .json, .yaml, .yml) that configures Python's logging; then loglevel and logoutput are "
        "not looked at. `default` means none.",
    ),
    _circus("debug", BOOL, False, "Show the output of plugin processes.", effect=_NOW),
    _circus("debug_gc", BOOL, False, "Turn on the leak debugging of Python's garbage collector."),
    _circus("fqdn_prefix", OPTIONAL_TEXT, None, "Put before the host name in the identity of this circusd."),
    _circus("papa_endpoint", TEXT, None, "", retired=_NO_PAPA),
    _circus("stream_backend", TEXT, None, "", retired="output is always read on the loop; remove the line"),
)

_WATCHER: Final = (
    _watcher("name", TEXT, None, "Name of the watcher, instead of the one in the section's header."),
    _watcher(
        "cmd", TEXT, "", "Program and arguments, split as a shell would. Variables allowed.", required=True
    ),
    _watcher("args", WORDS, "", "Further arguments, split likewise; a list is not split. Variables allowed."),
    _watcher("numprocesses", whole(0), 1, "How many processes run.", effect=_NOW),
    _watcher("warmup_delay", seconds(), 0.0, "Pause between two spawns.", unit="seconds", effect=_NOW),
    _watcher("shell", BOOL, False, "Let /bin/sh run cmd: pipes, redirections and shell variables work."),
    _watcher(
        "shell_args", OPTIONAL_TEXT, None, "With shell: words behind the command, $0, $1 ... of the shell."
    ),
    _watcher(
        "executable",
        OPTIONAL_TEXT,
        None,
        "Program to run instead of the first word of cmd, which stays the name it is shown with.",
    ),
    _watcher(
        "working_dir", OPTIONAL_TEXT, None, "Folder in which processes start; that of circusd if absent."
    ),
    _watcher("uid", USER, None, "User that processes run as; that of circusd if absent.", aliases=("user",)),
    _watcher("gid", GROUP, None, "Group that processes run as; the main group of uid if absent."),
    _watcher("copy_env", BOOL, False, "Give processes the environment of circusd, below the [env] sections."),
    _watcher("copy_path", BOOL, False, "Give processes circusd's sys.path as PYTHONPATH; needs copy_env."),
    _watcher(
        "virtualenv",
        OPTIONAL_TEXT,
        None,
        "Folder of a virtualenv put before PATH and PYTHONPATH; needs copy_env.",
    ),
    _watcher(
        "virtualenv_py_ver",
        OPTIONAL_TEXT,
        None,
        "Python version of the virtualenv, e.g. 3.12; that of circusd if absent.",
    ),
    _watcher(
        "rlimit_NAME",
        RLIMIT,
        None,
        "Soft and hard limit RLIMIT_NAME of setrlimit(2), e.g. rlimit_nofile. K, M, G, T are powers of 1024.",
    ),
    _watcher("nice", OPTIONAL_WHOLE, None, "Scheduling priority of nice(2), higher is meeker.", since=_NEW),
    _watcher(
        "stdout_stream.KEY",
        TEXT,
        None,
        "Where standard output goes: `class` names the stream, every other KEY is an option of it, but for "
        "`overflow` and `overflow_after`: with overflow = drop, what the stream does not take is dropped and "
        "counted once it has taken nothing for overflow_after seconds, 5 if absent; else the processes wait.",
    ),
    _watcher(
        "stderr_stream.KEY",
        TEXT,
        None,
        "The same for standard error. With `class = stdout` it goes where standard output goes, in one order "
        "with it.",
    ),
    _watcher(
        "tail_bytes",
        SIZE,
        64 * 1024,
        "How much of the last output is kept in memory, for the command `logs`; 0: none. Only output that "
        "stdout_stream or stderr_stream takes can be kept.",
        unit="bytes",
        since=_NEW,
        effect=_NOW,
    ),
    _watcher("close_child_stdin", BOOL, True, "Standard input is /dev/null; else that of circusd."),
    _watcher("close_child_stdout", BOOL, False, "Standard output goes to /dev/null."),
    _watcher("close_child_stderr", BOOL, False, "Standard error goes to /dev/null."),
    _watcher("stdin_socket", OPTIONAL_TEXT, None, "Name of the socket that processes get as descriptor 0."),
    _watcher("use_sockets", BOOL, False, "Processes inherit the sockets of this configuration."),
    _watcher("on_demand", BOOL, False, "Start at the first connection to a socket.", effect=_NOW),
    _watcher("autostart", BOOL, True, "Start together with circusd.", effect=_NOW),
    _watcher("respawn", BOOL, True, "Replace a process that has ended.", effect=_NOW),
    _watcher(
        "final_exits",
        EXIT_STATUSES,
        (),
        "Exit statuses after which a process is not replaced, such as 0 for a job that is done.",
        since=_NEW,
        effect=_NOW,
    ),
    _watcher("singleton", BOOL, False, "Never more than one process.", effect=_NOW),
    _watcher("priority", WHOLE, 0, "Watchers start from high to low.", effect=_NOW),
    _watcher(
        "send_hup", BOOL, False, "Reload by sending SIGHUP instead of replacing processes.", effect=_NOW
    ),
    _watcher("stop_signal", SIGNAL, int(signal.SIGTERM), "Signal that asks a process to end.", effect=_NOW),
    _watcher("stop_children", BOOL, False, "Send the stop signal to a process's children too.", effect=_NOW),
    _watcher(
        "kill_descendants",
        BOOL,
        True,
        "When a process has ended, kill what is left of its descendants.",
        since=_NEW,
        effect=_NOW,
    ),
    _watcher(
        "graceful_timeout",
        seconds(),
        30.0,
        "Time from the stop signal to SIGKILL.",
        unit="seconds",
        effect=_NOW,
    ),
    _watcher(
        "max_retry", whole(-1), 5, "Failed spawns in a row before the watcher stops; -1 never.", effect=_NOW
    ),
    _watcher(
        "max_age", whole_seconds(), 0, "Replace a process of this age; 0 never.", unit="seconds", effect=_NOW
    ),
    _watcher(
        "max_age_variance",
        whole_seconds(),
        30,
        "Up to so much, drawn once per process, is added to max_age.",
        unit="seconds",
        effect=_NOW,
    ),
    _watcher(
        "hooks.NAME",
        HOOK,
        None,
        "Function called at a moment of the watcher's life; with yes, an exception in it counts as success. "
        "NAME is one of " + ", ".join(HOOK_NAMES) + ".",
        effect=_NOW,
    ),
    _watcher(
        "hook_timeout",
        positive_seconds(),
        10.0,
        "A hook that runs longer has failed.",
        unit="seconds",
        since=_NEW,
        effect=_NOW,
    ),
    _watcher("backend", TEXT, "local", "What starts and watches the processes.", since=_NEW),
    _watcher("use_papa", TEXT, None, "", retired=_NO_PAPA),
    _watcher("stream_backend", TEXT, None, "", retired="output is always read on the loop; remove the line"),
)

_SOCKET: Final = (
    _socket("host", TEXT, "localhost", "Name or address to bind."),
    _socket("port", whole(0, 65535), 8080, "Port to bind; 0 for any free one."),
    _socket("family", choice("AF_INET", "AF_INET6", "AF_UNIX"), "AF_INET", "Address family."),
    _socket(
        "type",
        choice("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"),
        "SOCK_STREAM",
        "Kind of socket.",
    ),
    _socket("proto", OPTIONAL_TEXT, None, "Name of the protocol, such as tcp or icmp."),
    _socket("backlog", whole(0), 2048, "Connections that may wait to be accepted: listen(2).", effect=_NOW),
    _socket("path", OPTIONAL_TEXT, None, "File of a unix socket; family, host and port are not looked at."),
    _socket(
        "umask",
        OCTAL,
        None,
        "Mode mask while a unix socket is bound; that of circusd if absent.",
        effect=_NOW,
    ),
    _socket("replace", BOOL, False, "Remove a socket file that is in the way.", effect=_NOW),
    _socket("interface", OPTIONAL_TEXT, None, "Network device to bind to, such as eth0."),
    _socket("so_reuseport", BOOL, False, "Each process gets a socket of its own, bound with SO_REUSEPORT."),
    _socket("blocking", BOOL, False, "Leave the socket in blocking mode."),
    _socket("use_papa", TEXT, None, "", retired=_NO_PAPA),
)

_PLUGIN: Final = (
    _plugin("use", TEXT, None, "The plugin: its short name, or the dotted path of its class.", required=True),
    _plugin("active", BOOL, True, "Off: the plugin is not started with circusd."),
    _plugin(
        "run_in",
        choice("process", "daemon"),
        "process",
        "Run the plugin in a process of its own, or in a thread of circusd.",
        since=_NEW,
    ),
    _plugin(
        "hang_timeout",
        seconds(),
        60.0,
        "A plugin whose loop does not turn for so long hangs: it is killed and started again; 0: never. "
        "A start may take 60 seconds all the same.",
        unit="seconds",
        since=_NEW,
    ),
)

OPTIONS: Final[tuple[Option, ...]] = (*_CIRCUS, *_WATCHER, *_SOCKET, *_PLUGIN)


class Table:
    """The options of the kernel and of installed packages, found by section and written name."""

    def __init__(self, extra: Iterable[Option] = ()) -> None:
        self.extra = tuple(extra)
        self._options: dict[tuple[str, str], Option] = {}
        for option in (*OPTIONS, *self.extra):
            for name in (option.name, *option.aliases):
                self._options.setdefault((option.section, name), option)
        self._names: dict[str, tuple[str, ...]] = {}

    def find(self, section: str, key: str) -> Option | None:
        """Return the option that this key of a section means, None if there is none.

        The members of families are found by the family's name only (`rlimit_NAME`).
        """
        return self._options.get((section, key))

    def names(self, section: str) -> tuple[str, ...]:
        """Every name a section knows, families without their placeholder; retired ones left out."""
        if section not in self._names:
            self._names[section] = tuple(
                name
                for (owner, name), option in self._options.items()
                if owner == section and not option.retired
            )
        return self._names[section]
