"""What concerns supervisord itself, its servers and its clients."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

from circus_convert.document import Document, Section
from circus_convert.supervisor_file import SupervisorSection
from circus_convert.supervisor_options import Options
from circus_convert.text import as_environment

__all__ = ["convert_daemon", "convert_dashboard", "note_eventlistener", "note_other"]

_LEVELS: Final = {"warn": "warning", "trace": "debug", "blather": "debug"}
_USUAL_LIMIT: Final = 1024
_STANDARD_LOGS: Final = ("/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2")
_EVERYWHERE: Final = ("", "*", "0.0.0.0", "[::]", "::")
_WITHOUT: Final = {
    "logfile_maxbytes": "circusd does not rotate its log; logrotate and circusctl reopen do",
    "logfile_backups": "circusd does not rotate its log; logrotate and circusctl reopen do",
    "nodaemon": "circusd stays in the foreground; circusd --daemon does not",
    "silent": "a logoutput that is a file is all that circusd writes to",
    "minprocs": "circusd asks for no number of processes; rlimit_nproc of a watcher sets it",
    "nocleanup": "there are no files of circusd's own choice to clean up",
    "childlogdir": "circusd invents no files for output; output goes to its own",
    "strip_ansi": "output is kept as it is",
    "identifier": "circusd is told apart by its endpoint",
    "directory": "given to each watcher; start circusd there if names of files are relative",
    "user": "given to each watcher; circusd itself stays whom it is started as",
}
_CONVERTED: Final = ("logfile", "loglevel", "pidfile", "umask", "minfds", "environment")


def convert_daemon(section: SupervisorSection, document: Document) -> None:
    """Fill [circus] from [supervisord], [DEFAULT] with limits and [env] with its environment."""
    options, circus = Options(section, _known()), document.section("circus")
    if (file := options.word("logfile")) and file not in _STANDARD_LOGS:
        circus.options["logoutput"] = file
    if level := options.word("loglevel").lower():
        circus.options["loglevel"] = _LEVELS.get(level, level)
    for key in ("pidfile", "umask"):
        if value := options.word(key):
            circus.options[key] = value
    if "minfds" in options:
        _convert_minfds(options, circus, document)
    variables = {name: as_environment(text) for name, text in options.assignments("environment")}
    if variables:
        document.section("env").options.update(variables)
    for key in section.options:
        if key not in _CONVERTED:
            circus.note(options.place(key), f"{key}: {_WITHOUT.get(key, 'unknown to Supervisor 4')}")


def _convert_minfds(options: Options, circus: Section, document: Document) -> None:
    """Processes inherit what supervisord has raised; below the usual limit it raises nothing."""
    number = options.whole("minfds", _USUAL_LIMIT)
    if number > _USUAL_LIMIT:
        document.section("DEFAULT").options["rlimit_nofile"] = number
        circus.note(options.place("minfds"), "minfds: the limit of each process, as rlimit_nofile")
    else:
        circus.note(options.place("minfds"), "minfds: circusd needs no more than is usual")


def convert_dashboard(section: SupervisorSection, document: Document) -> None:
    """Let the dashboard listen where [inet_http_server] did: on this machine only, unless it is opened."""
    options, circus = Options(section, _known()), document.section("circus")
    host, _, port = options.word("port", "9001").rpartition(":")
    is_open = host in _EVERYWHERE
    circus.options["httpd"] = True
    circus.options["httpd_host"] = "127.0.0.1" if is_open else host.strip("[]")
    circus.options["httpd_port"] = port
    document.extras.add("httpd")
    if is_open:
        circus.note(options.place("port"), "port: listened everywhere; httpd_host = 0.0.0.0 does that")
    for key in section.options:
        if key in ("username", "password"):
            circus.note(options.place(key), f"{key}: the dashboard has tokens: circushttpd token")


def note_eventlistener(section: SupervisorSection, document: Document) -> None:
    """Name what an event listener ran, not with which secrets."""
    notes = document.section(f"eventlistener:{section.name}")
    events = section.options["events"].value if "events" in section.options else "events"
    notes.note(
        section.place,
        f"eventlistener '{section.name}' ({' '.join(events.split())}): its protocol is Supervisor's; write a "
        "plugin (circusctl plugin new), or read circusctl events",
    )


def note_other(section: SupervisorSection, document: Document) -> None:
    """Tell what became of a section that has no counterpart."""
    target = document.section("circus")
    for text in _others(section):
        target.note(section.place, text)


def _others(section: SupervisorSection) -> Iterator[str]:
    match section.kind:
        case "unix_http_server":
            yield (
                "[unix_http_server]: circusctl asks at endpoint = tcp://127.0.0.1:5555, or at ipc://PATH; "
                "only your user and root are let in, allow_full and allow_read let others"
            )
        case "supervisorctl":
            yield "[supervisorctl]: circusctl needs no section; CIRCUSCTL_ENDPOINT or --endpoint say where"
        case "rpcinterface" if section.name == "supervisor":
            yield "[rpcinterface:supervisor]: programs use CircusClient of circus_core instead"
        case "rpcinterface":
            yield f"[rpcinterface:{section.name}]: plugins of Supervisor don't run here; see docs/plugins.md"
        case "include":
            missing = ", ".join(section.missing)
            yield f"[include]: no file is {missing}; what Supervisor reads there is not in here"
        case "group":
            programs = section.options["programs"].value if "programs" in section.options else ""
            yield (
                f"[group:{section.name}]: there are no groups; circusctl takes several names and patterns: "
                f"{' '.join(programs.replace(',', ' ').split())}"
            )
        case _:
            yield f"[{':'.join(filter(None, (section.kind, section.name)))}]: unknown to Supervisor 4"


def _known() -> dict[str, str]:
    return {"host_node_name": socket.gethostname()}
