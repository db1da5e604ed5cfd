"""The helpers of Circus 0.19 that programs, hooks, plugins and streams import."""

from __future__ import annotations

import logging
import sys
from configparser import RawConfigParser
from types import MappingProxyType
from typing import Any, Final

from tornado.ioloop import PeriodicCallback

from circus._changes import DictDiffer, ObjectDict, dict_differ
from circus._connections import close_on_exec, create_udp_socket, get_connection
from circus._conversions import (
    bytes2human,
    convert_opt,
    env_to_str,
    get_default_gid,
    get_username_from_uid,
    human2bytes,
    parse_env_dict,
    parse_env_str,
    to_bool,
    to_bytes,
    to_gid,
    to_signum,
    to_str,
    to_uid,
)
from circus._futures import (
    TransformableFuture,
    check_future_exception_and_log,
    debuglog,
    synchronized,
    tornado_sleep,
)
from circus._machine import get_info, get_python_version, get_working_dir
from circus._names import ImportStringError, replace_gnu_args, resolve_name
from circus.exc import ConflictError
from circus_core import configure_logging, watcher_from_mapping

__all__ = [
    "DEFAULT_ENDPOINT_DEALER",
    "DEFAULT_ENDPOINT_MULTICAST",
    "DEFAULT_ENDPOINT_STATS",
    "DEFAULT_ENDPOINT_SUB",
    "IS_WINDOWS",
    "LOG_DATE_FMT",
    "LOG_DATE_SYSLOG_FMT",
    "LOG_FMT",
    "LOG_LEVELS",
    "MAXFD",
    "REDIRECT_TO",
    "AsyncPeriodicCallback",
    "ConflictError",
    "DictDiffer",
    "ImportStringError",
    "ObjectDict",
    "StrictConfigParser",
    "TransformableFuture",
    "bytes2human",
    "check_future_exception_and_log",
    "close_on_exec",
    "configure_logger",
    "convert_opt",
    "create_udp_socket",
    "debuglog",
    "dict_differ",
    "env_to_str",
    "get_connection",
    "get_default_gid",
    "get_info",
    "get_python_version",
    "get_username_from_uid",
    "get_working_dir",
    "human2bytes",
    "load_virtualenv",
    "papa",
    "parse_env_dict",
    "parse_env_str",
    "replace_gnu_args",
    "resolve_name",
    "synchronized",
    "to_bool",
    "to_bytes",
    "to_gid",
    "to_signum",
    "to_str",
    "to_uid",
    "tornado_sleep",
]

DEFAULT_ENDPOINT_DEALER: Final = "tcp://127.0.0.1:5555"
DEFAULT_ENDPOINT_SUB: Final = "tcp://127.0.0.1:5556"
DEFAULT_ENDPOINT_STATS: Final = "tcp://127.0.0.1:5557"
DEFAULT_ENDPOINT_MULTICAST: Final = "udp://237.219.251.97:12027"

IS_WINDOWS: Final = sys.platform == "win32"
MAXFD: Final = 1024
REDIRECT_TO: Final = "/dev/null"

LOG_LEVELS: Final = MappingProxyType(
    {
        "critical": logging.CRITICAL,
        "error": logging.ERROR,
        "warning": logging.WARNING,
        "info": logging.INFO,
        "debug": logging.DEBUG,
    }
)
LOG_FMT: Final = "%(asctime)s %(name)s[%(process)d] [%(levelname)s] %(message)s"
LOG_DATE_FMT: Final = "%Y-%m-%d %H:%M:%S"
LOG_DATE_SYSLOG_FMT: Final = "%b %d %H:%M:%S"

papa: Final = None
"""Support for papa ended with 0.18; programs that look for it found this where it was not installed."""

AsyncPeriodicCallback = PeriodicCallback


class StrictConfigParser(RawConfigParser):
    """Refuses a section or an option that stands twice in a file."""


def configure_logger(
    logger: logging.Logger,
    level: str | int = "INFO",
    output: str = "-",
    loggerconfig: str | None = None,
    name: str | None = None,
) -> None:
    """Have what is logged go to `output`; what an earlier call did is replaced.

    A program that has configured logging keeps its handlers; then only what circus logs goes there, too.

    Args:
        logger, name: not looked at.
        level: critical, error, warning, info or debug, or the number of a level.
        output: a file, `-` for standard error, or syslog://HOST[:PORT]?FACILITY.
        loggerconfig: an ini, json or yaml file that configures all of logging instead.

    Raises:
        ConfigError: that is not possible.
    """
    word = logging.getLevelName(level) if isinstance(level, int) else level
    configure_logging(word, output, loggerconfig, as_guest=True)


def load_virtualenv(watcher: Any, py_ver: str | None = None) -> None:
    """Put what the virtualenv of a watcher needs into its `env`.

    Raises:
        ConfigError: there is no such virtualenv, or `copy_env` is not set.
    """
    options = {"copy_env": watcher.copy_env, "virtualenv": watcher.virtualenv, "virtualenv_py_ver": py_ver}
    found = watcher_from_mapping({"name": watcher.name, "cmd": "x", "env": watcher.env or {}, **options})
    watcher.env = dict(found.env)
