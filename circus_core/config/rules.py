"""Rules that concern more than one option, or more than one section."""

from __future__ import annotations

import pwd
import shlex
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from circus_core.config.convert import Context
from circus_core.config.model import ArbiterConfig, SocketConfig, WatcherConfig
from circus_core.config.problems import Report
from circus_core.config.raw import RawSection
from circus_core.config.substitute import references

__all__ = ["FACILITIES", "check_arbiter", "check_socket", "check_socket_addresses", "check_watcher"]

FACILITIES: Final = (
    *("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security", "syslog"),
    *("user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
)

_COMMAND_KEYS: Final = ("cmd", "args", "shell_args")


def check_watcher(config: WatcherConfig, section: RawSection, context: Context) -> None:
    """Report what does not fit together in one watcher."""
    _check_command(config, section, context.report)
    _check_combinations(config, section, context.report)
    _check_sockets(config, section, context)


def _check_command(config: WatcherConfig, section: RawSection, report: Report) -> None:
    if not config.cmd.strip():
        _refuse_no_command(section, report)
        return
    if not config.shell:
        _check_quotes(config, section, report)
    if config.shell_args is not None and not config.shell:
        report.notice(
            section.place_of("shell_args"), "shell_args is ignored: shell is off", option="shell_args"
        )
    for key in ("cmd", "args"):
        if "$WID" in _text(config, key):
            report.notice(
                section.place_of(key),
                f"{key}: $WID is the worker's number, in an old spelling",
                option=key,
                suggestion="write $(circus.wid)",
            )


def _refuse_no_command(section: RawSection, report: Report) -> None:
    if section.name.startswith("plugin:") or _has_error(report, section, "cmd"):
        return
    message = "cmd is empty" if "cmd" in section.values else "cmd is missing"
    report.error(section.place_of("cmd"), message, option="cmd", suggestion="write cmd = PROGRAM")


def _has_error(report: Report, section: RawSection, option: str) -> bool:
    return any(problem.section == section.name and problem.option == option for problem in report.problems)


def _text(config: WatcherConfig, key: str) -> str:
    value = getattr(config, key)
    return " ".join(value) if isinstance(value, tuple) else value or ""


def _check_quotes(config: WatcherConfig, section: RawSection, report: Report) -> None:
    for key in ("cmd", "args"):
        text = getattr(config, key)
        if not isinstance(text, str) or not any(mark in text for mark in "'\"\\"):
            continue
        try:
            words = shlex.split(text)
        except ValueError as error:
            report.error(
                section.place_of(key),
                f"{key} can't be split into words, {_lower_first(str(error))}: {text!r}",
                option=key,
                suggestion=_about_quotes(section, key),
            )
            continue
        if key == "cmd" and len(words) == 1 and " " in words[0] and text[0] in "'\"":
            report.doubt(
                section.place_of(key),
                f"the quotes make {words[0]!r} the name of one program",
                option=key,
                suggestion="remove the quotes",
            )


def _about_quotes(section: RawSection, key: str) -> str:
    raw = section.values.get(key)
    if raw is not None and raw.comment is not None:
        return "' ;' starts a comment, write ';' without a blank before it"
    return "close the quotes, or write a backslash before a quote that is meant literally"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _check_combinations(config: WatcherConfig, section: RawSection, report: Report) -> None:
    if config.singleton and config.numprocesses > 1:
        report.error(
            section.place_of("numprocesses"),
            f"a singleton can't have {config.numprocesses} processes",
            option="numprocesses",
            suggestion="write numprocesses = 1 or remove singleton",
        )
    for key in ("copy_path", "virtualenv"):
        if getattr(config, key) and not config.copy_env:
            report.error(
                section.place_of(key), f"{key} needs copy_env", option=key, suggestion="write copy_env = True"
            )
    for key in ("stdout", "stderr"):
        if getattr(config, f"close_child_{key}") and getattr(config, f"{key}_stream") is not None:
            place = section.place_of(f"close_child_{key}")
            report.notice(
                place, f"{key}_stream gets nothing: close_child_{key} is on", option=f"close_child_{key}"
            )


def _check_sockets(config: WatcherConfig, section: RawSection, context: Context) -> None:
    if context.sockets is None:
        return
    for key in _COMMAND_KEYS:
        for name in sorted(references(_text(config, key))):
            if name not in context.sockets:
                _refuse_socket(section, key, name, context)
            elif not config.use_sockets:
                context.report.doubt(
                    section.place_of(key),
                    f"{key} uses socket {name!r}, but use_sockets is off",
                    option=key,
                    suggestion="write use_sockets = True",
                )
    if config.stdin_socket is not None and config.stdin_socket.lower() not in context.sockets:
        _refuse_socket(section, "stdin_socket", config.stdin_socket, context)


def _refuse_socket(section: RawSection, key: str, name: str, context: Context) -> None:
    known = ", ".join(sorted(context.sockets or ()))
    context.report.error(
        section.place_of(key),
        f"{key}: there is no socket {name!r}",
        option=key,
        suggestion=f"write a [socket:{name}] section" + (f", or use one of {known}" if known else ""),
    )


def check_socket(config: SocketConfig, section: RawSection, report: Report) -> None:
    """Report what does not fit together in one socket."""
    if config.family == "AF_UNIX" and config.path is None:
        report.error(
            section.place_of("family"),
            "a unix socket needs a path",
            option="path",
            suggestion="write path = FILE",
        )


def check_socket_addresses(sockets: Iterable[tuple[SocketConfig, RawSection]], report: Report) -> None:
    """Report two sockets of the same address: the second one can't be bound."""
    seen: dict[tuple[object, ...], str] = {}
    for config, section in sockets:
        if config.path is None and (config.port == 0 or config.so_reuseport):
            continue
        where = config.path or f"{config.host}:{config.port}"
        first = seen.setdefault((config.family, config.type, where), config.name)
        if first != config.name:
            report.doubt(section.place, f"{where} is the address of socket {first!r} too")


def check_arbiter(config: ArbiterConfig, section: RawSection, report: Report) -> None:
    """Report addresses used twice, an owner who does not exist, and log targets that can't be right."""
    if config.endpoint == config.pubsub_endpoint and "*" not in config.endpoint:
        report.error(
            section.place_of("pubsub_endpoint"),
            f"endpoint and pubsub_endpoint are both {config.endpoint}",
            option="pubsub_endpoint",
            suggestion="use two addresses",
        )
    if config.endpoint_owner is not None and not _is_user(str(config.endpoint_owner)):
        report.error(
            section.place_of("endpoint_owner"),
            f"endpoint_owner must be the name of a user, got {config.endpoint_owner!r}",
            option="endpoint_owner",
            suggestion="see getent passwd",
        )
    for option in ("allow_full", "allow_read"):
        _check_users(option, getattr(config, option), section, report)
    if config.multicast_endpoint is not None and not _is_multicast(config.multicast_endpoint):
        report.doubt(
            section.place_of("multicast_endpoint"),
            f"multicast_endpoint must be an address from 224.0.0.0 to 239.255.255.255, got "
            f"{config.multicast_endpoint!r}: there will be no discovery",
        )
    if config.logoutput.startswith("syslog://"):
        _check_syslog(config.logoutput, section, report)
    if config.loggerconfig is not None and PurePath(config.loggerconfig).suffix not in _LOGGER_FILES:
        report.error(
            section.place_of("loggerconfig"),
            f"loggerconfig must be a file ending in {', '.join(_LOGGER_FILES)}, got {config.loggerconfig!r}",
            option="loggerconfig",
        )


def _check_users(option: str, users: Iterable[str | int], section: RawSection, report: Report) -> None:
    for user in users:
        if isinstance(user, str) and not _is_user(user):
            report.error(
                section.place_of(option),
                f"{option} must be names or numbers of users, got {user!r}",
                option=option,
                suggestion="see getent passwd",
            )


def _is_multicast(endpoint: str) -> bool:
    return 224 <= int(endpoint.removeprefix("udp://").partition(".")[0]) <= 239


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


_LOGGER_FILES: Final = (".ini", ".json", ".yaml", ".yml")


def _check_syslog(url: str, section: RawSection, report: Report) -> None:
    place = section.place_of("logoutput")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        report.error(
            place,
            f"logoutput must be syslog://HOST[:PORT]?FACILITY or syslog:///SOCKET?FACILITY, got {url!r}",
            option="logoutput",
        )
        return
    if parts.query and parts.query.lower() not in FACILITIES:
        report.doubt(
            place,
            f"logoutput: there is no syslog facility {parts.query!r}, user is used",
            option="logoutput",
            suggestion="use one of " + ", ".join(FACILITIES),
        )
