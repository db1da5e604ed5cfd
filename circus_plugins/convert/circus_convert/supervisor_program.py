"""A program of Supervisor becomes a watcher, or several if its processes differ by their number."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from circus_convert.document import Document, Section, Value
from circus_convert.expansions import Known, names
from circus_convert.problems import ConvertError
from circus_convert.supervisor_file import SupervisorSection
from circus_convert.supervisor_options import Options
from circus_convert.supervisor_output import convert_output
from circus_convert.text import Variable, as_command, as_environment

__all__ = ["ATTEMPTS", "WINDOW", "Surroundings", "convert_program", "is_limited"]

_RETRY_KEYS: Final = ("startsecs", "startretries")
ATTEMPTS, WINDOW = 4, 3
"""Supervisor's startretries = 3 and startsecs = 1, as options of circus-flapping."""

_STREAM_KEYS: Final = [
    f"{name}_{key}"
    for name in ("stdout", "stderr")
    for key in (
        *("logfile", "logfile_maxbytes", "logfile_backups", "capture_maxbytes", "events_enabled", "syslog"),
    )
]
_KEYS: Final = frozenset(
    {
        *("command", "process_name", "numprocs", "numprocs_start", "priority", "autostart", "autorestart"),
        *(
            "startsecs",
            "startretries",
            "exitcodes",
            "stopsignal",
            "stopwaitsecs",
            "stopasgroup",
            "killasgroup",
        ),
        *("user", "redirect_stderr", "environment", "directory", "umask", "serverurl", *_STREAM_KEYS),
        *("socket", "socket_owner", "socket_mode", "socket_backlog"),
    }
)
_FILES: Final = ("stdout_logfile", "stderr_logfile")
_PART_OF_WHAT_RUNS: Final = ("command", "directory", "environment", "user")
_UNUSABLE_IN_A_NAME: Final = re.compile(r"[,*?\[\]\s:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a program gets from other sections.

    Attributes:
        groups: the name of its group by the name of the program.
        priorities: what it has in circus-core by the name of the program; empty if nobody set any.
        user: whose processes run that name no user of their own.
        folder: where processes start that name no folder of their own, and what is below it.
        gives_up: circus-flapping is there to give up on what does not come up.
    """

    groups: Mapping[str, str]
    priorities: Mapping[str, int]
    user: str
    folder: str
    gives_up: bool


@dataclass(frozen=True, slots=True)
class _Variant:
    """One watcher of a program."""

    name: str
    options: Options
    processes: int


def is_limited(program: SupervisorSection) -> bool:
    """Tell whether somebody said for how long and how often the start of a program is tried."""
    options = Options(program)
    is_restarted = options.raw("autorestart").lower() in ("", "unexpected", "true", "yes", "on", "t", "1")
    is_asked_for = any(key in options for key in _RETRY_KEYS)
    return is_asked_for and is_restarted and options.raw("startsecs") != "0"


def convert_program(section: SupervisorSection, document: Document, around: Surroundings) -> list[Section]:
    """Add the watchers of a program to the document and return them.

    Raises:
        ConvertError: an option can't be used.
    """
    options = Options(section, _known(section, around))
    if not section.name:
        raise ConvertError(f"{section.place}: a program needs a name")
    if not options.raw("command"):
        raise ConvertError(f"{section.place}: program '{section.name}' has no command")
    made = [_watcher(variant, document, around) for variant in _variants(options)]
    _note_what_is_missing(options, made[0], len(made))
    return made


def _known(section: SupervisorSection, around: Surroundings) -> Known:
    return {
        "program_name": section.name,
        "group_name": around.groups.get(section.name, section.name),
        "host_node_name": socket.gethostname(),
    }


# -- how many --------------------------------------------------------------------------------------


def _variants(options: Options) -> Iterator[_Variant]:
    """Yield one for all processes if they do not differ, else one for each."""
    name, number = options.section.name, options.whole("numprocs", 1)
    start = options.whole("numprocs_start", 0)
    options = options.with_known({"numprocs": number})
    if number == 1:
        yield _Variant(_cleaned(name), options.with_known({"process_num": start}), 1)
    elif any("process_num" in names(options.raw(key)) for key in _PART_OF_WHAT_RUNS):
        for each in range(start, start + number):
            known = options.with_known({"process_num": each})
            own = known.word("process_name", f"{name}_{each}")
            yield _Variant(_cleaned(own if own.startswith(name) else f"{name}_{own}"), known, 1)
    else:
        yield _Variant(_cleaned(name), _numbered_files(options), number)


def _numbered_files(options: Options) -> Options:
    """Let names of files have the number of the worker, in the only format that it has."""
    for key in _FILES:
        option = options.section.options.get(key)
        if option is not None:
            option.value = re.sub(r"%\(process_num\)[#0 +-]*\d*[a-z]", "%(process_num)s", option.value)
    return options.with_known({"process_num": Variable("wid")})


def _cleaned(name: str) -> str:
    """Return a name that means itself in [env:NAME] and on the command line."""
    return _UNUSABLE_IN_A_NAME.sub("_", name)


# -- one watcher -----------------------------------------------------------------------------------


def _watcher(variant: _Variant, document: Document, around: Surroundings) -> Section:
    options = variant.options
    name = document.free_name("watcher", variant.name)
    watcher = document.section(f"watcher:{name}")
    if name != variant.name:
        taken = f"called {name!r}, since there is a {variant.name!r}; case does not count"
        watcher.note(options.section.place, taken)
    watcher.options["cmd"] = _command(options)
    if variant.processes != 1:
        watcher.options["numprocesses"] = variant.processes
    watcher.options.update(_place_and_user(options, around))
    watcher.options.update(_life(options, around))
    watcher.options.update(_stop(options))
    if priority := around.priorities.get(options.section.name):
        watcher.options["priority"] = priority
    convert_output(options, watcher, document)
    variables = {name: as_environment(text) for name, text in options.assignments("environment")}
    if variables:
        document.section(f"env:{name}").options.update(variables)
    return watcher


def _command(options: Options) -> str:
    try:
        command = as_command(options.text("command") or ())
    except ValueError as error:
        raise ConvertError(f"{options.place('command')}: command: {str(error).lower()}") from None
    mask = options.word("umask")
    return f"""/bin/sh -c 'umask {mask}; exec "$@"' sh {command}""" if mask else command


def _place_and_user(options: Options, around: Surroundings) -> Iterator[tuple[str, Value]]:
    folder = options.word("directory")
    if around.folder and not folder.startswith(("/", "$(")):
        folder = f"{around.folder.rstrip('/')}/{folder}" if folder else around.folder
    if folder:
        yield "working_dir", folder
    if user := options.word("user", around.user):
        yield "user", user


def _life(options: Options, around: Surroundings) -> Iterator[tuple[str, Value]]:
    if not options.flag("autostart", default=True):
        yield "autostart", False
    restart = options.word("autorestart", "unexpected").lower()
    if restart == "unexpected":
        yield "final_exits", options.word("exitcodes", "0")
    elif not options.flag("autorestart", default=True):
        yield "respawn", False
        return
    if around.gives_up:
        yield from _limits(options)


def _limits(options: Options) -> Iterator[tuple[str, Value]]:
    """Deaths in a row, each within startsecs: so many lie within startretries times startsecs."""
    stays, retries = options.whole("startsecs", 1), options.whole("startretries", 3)
    attempts, window = max(2, retries + 1), stays * max(1, retries)
    if stays == 0:
        yield "flapping.active", False
    elif (attempts, window) != (ATTEMPTS, WINDOW):
        yield "flapping.attempts", attempts
        yield "flapping.window", window


def _stop(options: Options) -> Iterator[tuple[str, Value]]:
    if (name := options.word("stopsignal", "TERM").upper().removeprefix("SIG")) != "TERM":
        yield "stop_signal", name
    as_group = options.flag("stopasgroup", default=False)
    if as_group:
        yield "stop_children", True
    if "killasgroup" in options and not as_group and not options.flag("killasgroup", default=False):
        yield "kill_descendants", False
    if "stopwaitsecs" in options:
        yield "graceful_timeout", options.whole("stopwaitsecs", 10)


# -- what is not the same --------------------------------------------------------------------------


def _note_what_is_missing(options: Options, watcher: Section, watchers: int) -> None:
    for key in options.section.options:
        if key not in _KEYS:
            watcher.note(options.place(key), f"{key}: unknown to Supervisor 4 and to circus-core")
    for key, why in _differences(options, watcher, watchers):
        watcher.note(options.place(key), f"{key}: {why}")


def _differences(options: Options, watcher: Section, watchers: int) -> Iterator[tuple[str, str]]:
    number = options.whole("numprocs", 1)
    if watchers > 1:
        yield "numprocs", f"{watchers} watchers, since the processes differ by more than their number"
    elif number > 1 and any("process_num" in names(options.raw(key)) for key in _FILES):
        yield "numprocs", "the numbers in names of files begin at 1"
    if "process_name" in options and watchers == 1 and options.raw("process_name") != "%(program_name)s":
        yield "process_name", "processes have no names, only the number behind that of their watcher"
    if "serverurl" in options:
        yield (
            "serverurl",
            "processes are told of no server; circusctl finds circusd by itself",
        )
    if "umask" in options:
        yield "umask", "set by the shell that becomes the program"
    yield from _differences_of_tries(options, watcher)
    if any("host_node_name" in names(option.value) for option in options.section.options.values()):
        yield "command", "host_node_name was replaced by the name of this machine"


def _differences_of_tries(options: Options, watcher: Section) -> Iterator[tuple[str, str]]:
    if options.whole("startsecs", 1) == 0:
        return
    if watcher.options.get("respawn") is False:
        for key in _RETRY_KEYS:
            if key in options:
                yield key, "what is not restarted is not tried again either"
    elif options.whole("startretries", 3) == 0:
        yield "startretries", "it is tried once more before circus-flapping gives up"
