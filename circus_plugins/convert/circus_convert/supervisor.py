"""A supervisord.conf, with all that it includes, as a document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from circus_convert.document import Document
from circus_convert.problems import ConvertError
from circus_convert.supervisor_daemon import (
    convert_daemon,
    convert_dashboard,
    note_eventlistener,
    note_other,
)
from circus_convert.supervisor_file import SupervisorSection, read_supervisor
from circus_convert.supervisor_options import Options
from circus_convert.supervisor_program import ATTEMPTS, WINDOW, Surroundings, convert_program, is_limited
from circus_convert.supervisor_sockets import convert_socket

__all__ = ["convert_supervisor"]

_PRIORITY: Final = 999  # of a program or group that has none; the lowest number starts first
_GRACE: Final = 10  # stopwaitsecs
_PROGRAMS: Final = ("program", "fcgi-program")
_SPACED: Final = re.compile(r"^\w+ +=", re.MULTILINE)
_UNSPACED: Final = re.compile(r"^\w+=", re.MULTILINE)


def convert_supervisor(path: Path) -> Document:
    """Read the files and return what they mean.

    Raises:
        ConvertError: they can't be read, or Supervisor would not take them either.
    """
    sections = read_supervisor(path)
    programs = [section for section in sections if section.kind in _PROGRAMS]
    if not programs:
        missing = [pattern for section in sections for pattern in section.missing]
        hint = f", and no file is {', '.join(missing)}" if missing else ""
        raise ConvertError(f"{path}: there is no [program:NAME] in it{hint}")
    document = Document(str(path), is_spaced=_is_spaced(path.read_text(encoding="utf-8-sig")))
    document.section("circus")
    document.section("DEFAULT").options.update(copy_env=True, graceful_timeout=_GRACE)
    around = _surroundings(sections, programs)
    for section in sections:
        _convert(section, document, around)
    if around.gives_up:
        document.extras.add("flapping")
        document.section("plugin:flapping").options.update(
            use="flapping", attempts=ATTEMPTS, window=WINDOW, max_retry=0
        )
    document.sections = [each for each in document.sections if each.options or each.notes]
    return document


def _is_spaced(text: str) -> bool:
    """Tell how its author writes options: the result shall look alike."""
    return len(_SPACED.findall(text)) > len(_UNSPACED.findall(text))


def _convert(section: SupervisorSection, document: Document, around: Surroundings) -> None:
    match section.kind:
        case "supervisord":
            convert_daemon(section, document)
        case "inet_http_server":
            convert_dashboard(section, document)
        case "eventlistener":
            note_eventlistener(section, document)
        case "program":
            convert_program(section, document, around)
        case "fcgi-program":
            watchers = convert_program(section, document, around)
            options = Options(section, {"program_name": section.name})
            convert_socket(options, document.free_name("socket", section.name.lower()), watchers, document)
        case _:
            note_other(section, document)


def _surroundings(
    sections: Sequence[SupervisorSection], programs: Sequence[SupervisorSection]
) -> Surroundings:
    daemon = next((each for each in sections if each.kind == "supervisord"), None)
    options = Options(daemon) if daemon is not None else None
    groups = _groups(sections)
    is_in_background = options is not None and not options.flag("nodaemon", default=False)
    user = options.word("user") if options is not None else ""
    return Surroundings(
        groups={program: group.name for program, group in groups.items()},
        priorities=_priorities(programs, groups),
        user="" if user == "root" else user,
        folder=options.word("directory") if options is not None and is_in_background else "",
        gives_up=any(map(is_limited, programs)),
    )


def _groups(sections: Sequence[SupervisorSection]) -> Mapping[str, SupervisorSection]:
    """Return the group of each program that is in one."""
    return {
        program: section
        for section in sections
        if section.kind == "group"
        for program in Options(section).word("programs").replace(",", " ").split()
    }


def _priorities(
    programs: Sequence[SupervisorSection], groups: Mapping[str, SupervisorSection]
) -> dict[str, int]:
    """Turn the order of groups and of programs in them around: here the highest number starts first."""
    keys = {program.name: _order(program, groups.get(program.name)) for program in programs}
    if all(within == _PRIORITY for _, within in keys.values()):
        return {name: _PRIORITY - group for name, (group, _) in keys.items()}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values()), reverse=True))}
    return {name: ranks[key] for name, key in keys.items()}


def _order(program: SupervisorSection, group: SupervisorSection | None) -> tuple[int, int]:
    own = Options(program).whole("priority", _PRIORITY)
    if group is None:  # a group of its own
        return own, _PRIORITY
    return Options(group).whole("priority", _PRIORITY), own
