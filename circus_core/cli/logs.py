"""Logging of the daemon, or of a program that embeds it; never configured by an import."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from logging.handlers import SysLogHandler, WatchedFileHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from circus_core.errors import ConfigError

__all__ = ["LOGGER_NAME", "configure_logging", "reopen_log_files"]

LOGGER_NAME: Final = "circus"
_OWN_NAMES: Final = (LOGGER_NAME, "circus_core")

_FORMAT: Final = "%(asctime)s circus[%(process)d] [%(levelname)s] %(message)s"
_DATE: Final = "%Y-%m-%d %H:%M:%S"
_SYSLOG_DATE: Final = "%b %d %H:%M:%S"
_SYSLOG_PORT: Final = 514
_SEVERITY: Final[Mapping[str, str]] = {
    "CRITICAL": "critical",
    "ERROR": "error",
    "WARNING": "warning",
    "INFO": "info",
    "DEBUG": "debug",
}


def configure_logging(
    level: str = "info", output: str = "-", loggerconfig: str | None = None, *, as_guest: bool = False
) -> None:
    """Send what is logged to one place; raises ConfigError if that is not possible.

    What was configured by an earlier call is replaced.

    Args:
        level: critical, error, warning, info or debug, in any case.
        output: a file, `-` or `stdout` (both are standard error, as in Circus), syslog://HOST[:PORT]?FACILITY
            or syslog:///SOCKET?FACILITY.
        loggerconfig: a file that configures all of logging; then level and output are not looked at.
            None or `default`: there is none.
        as_guest: the program is not ours. If it has handlers of its own it keeps them, and only what we log
            goes to the place, too.
    """
    if loggerconfig is not None and loggerconfig.lower() != "default":
        _configure_from_file(Path(loggerconfig))
        return
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"loglevel must be one of critical, error, warning, info, debug, got {level!r}")
    if as_guest and _has_handlers_of_others(logging.getLogger()):
        _add_handler(_handler(output), number)
    else:
        _replace_handlers(_handler(output), number)


def reopen_log_files() -> None:
    """Open log files anew that were moved or deleted, of every logger, also those of a loggerconfig."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    handlers = {
        handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers
    }
    for handler in handlers:
        if isinstance(handler, logging.FileHandler) and _is_moved(handler):
            _reopen(handler)


def _is_moved(handler: logging.FileHandler) -> bool:
    if handler.stream is None:
        return False  # not open yet
    try:
        return not os.path.samestat(os.stat(handler.baseFilename), os.fstat(handler.stream.fileno()))
    except OSError:
        return True


def _reopen(handler: logging.FileHandler) -> None:
    """If that fails the old file goes on being written to."""
    try:
        new = handler._open()
    except OSError as error:
        logging.getLogger(LOGGER_NAME).error("can't open the log file again: %s", error)
        return
    old = handler.setStream(new)
    if old is not None:
        old.close()


def _replace_handlers(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    _remove_handlers(root)
    for logger in _own_loggers():  # a loggerconfig of before may have changed them
        _remove_handlers(logger)
        logger.disabled = False
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    root.addHandler(handler)
    root.setLevel(level)


def _add_handler(handler: logging.Handler, level: int) -> None:
    """Leave the root logger to the host, but for what an earlier call has put there."""
    _remove_handlers(logging.getLogger(), only_ours=True)
    for name in _OWN_NAMES:
        logger = logging.getLogger(name)
        _remove_handlers(logger, only_ours=True)
        logger.addHandler(handler)
        logger.setLevel(level)


def _has_handlers_of_others(logger: logging.Logger) -> bool:
    return any(not isinstance(handler, _Modest) for handler in logger.handlers)


def _remove_handlers(logger: logging.Logger, *, only_ours: bool = False) -> None:
    for handler in list(logger.handlers):
        if only_ours and not isinstance(handler, _Modest):
            continue
        logger.removeHandler(handler)
        handler.close()


def _handler(output: str) -> logging.Handler:
    date = _DATE
    handler: logging.Handler
    if output in ("-", "stdout"):
        handler = _StandardError(sys.stderr)
    elif output.startswith("syslog://"):
        handler, date = _syslog(output), _SYSLOG_DATE
    else:
        handler = _file(output)
    handler.setFormatter(logging.Formatter(_FORMAT, date))
    return handler


# -- handlers that keep the daemon going when they fail --------------------------------------------


class _Modest(logging.Handler):
    """Tells once on standard error, in one line, that the log can't be written."""

    _has_told = False

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if self._has_told or sys.stderr is None:
            return
        self._has_told = True
        try:
            sys.stderr.write(f"circus: can't write to the log: {error}; first lost: {record.getMessage()}\n")
        except (OSError, ValueError):
            return


class _StandardError(_Modest, logging.StreamHandler[Any]):
    """Standard error."""


class _File(_Modest, WatchedFileHandler):
    """A file, opened again when it has been moved or deleted; not inherited by processes (PEP 446)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # opening again failed, which the base class lets through
            self.handleError(record)


class _Syslog(_Modest):
    """Datagrams to a syslog that may be away: it is looked for again at each message.

    What it does not take at once is dropped: the loop must not wait for it.
    """

    def __init__(self, address: str | tuple[str, int], facility: int) -> None:
        super().__init__()
        self._address = address
        self._facility = facility
        self._socket: socket.socket | None = None

    def emit(self, record: logging.LogRecord) -> None:
        severity = SysLogHandler.priority_names[_SEVERITY.get(record.levelname, "warning")]
        message = f"<{self._facility << 3 | severity}>{self.format(record)}".encode()
        try:
            self._send(message)
        except OSError:
            self.handleError(record)

    def _send(self, message: bytes) -> None:
        try:
            self._connected().send(message)
        except BlockingIOError:
            raise
        except OSError:  # it has been started again since
            self._disconnect()
            self._connected().send(message)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            is_path = isinstance(self._address, str)
            is_v6 = not is_path and ":" in self._address[0]
            family = socket.AF_UNIX if is_path else socket.AF_INET6 if is_v6 else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            try:
                self._socket.connect(self._address)
            except OSError:
                self._disconnect()
                raise
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        self._disconnect()
        super().close()


def _file(path: str) -> logging.Handler:
    try:
        return _File(path, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"logoutput: can't open {path!r}: {reason}; write the path of a file, or -"
        ) from error


def _syslog(url: str) -> logging.Handler:
    try:
        parts = urlsplit(url)
        port = parts.port or _SYSLOG_PORT
    except ValueError as error:
        raise ConfigError(f"logoutput: {url!r} is not syslog://HOST[:PORT]?FACILITY ({error})") from error
    facility = SysLogHandler.facility_names.get(parts.query.lower(), SysLogHandler.LOG_USER)
    return _Syslog(_address(parts.hostname, port) if parts.hostname else parts.path, facility)


def _address(host: str, port: int) -> tuple[str, int]:
    """Look the host up now, once: for each message it would be done on the loop."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"logoutput: the address of {host!r} can't be found: {error}") from error
    return str(found[0][4][0]), port


# -- loggerconfig ----------------------------------------------------------------------------------


def _configure_from_file(path: Path) -> None:
    apply = _APPLY.get(path.suffix)
    if apply is None:
        raise ConfigError(f"loggerconfig: {str(path)!r} must end in one of {', '.join(_APPLY)}")
    try:
        with path.open("rb"):
            pass
        apply(path)
    except OSError as error:
        raise ConfigError(f"loggerconfig: can't read {str(path)!r}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        reason = error.__cause__ or error
        raise ConfigError(
            f"loggerconfig: {path}: {error if reason is error else f'{error}: {reason}'}"
        ) from error
    _wake_own_loggers()


def _apply_ini(path: Path) -> None:
    import logging.config  # few use it, and it takes longer than all of logging

    logging.config.fileConfig(path)


def _apply_json(path: Path) -> None:
    _apply_mapping(json.loads(path.read_text(encoding="utf-8")), path)


def _apply_yaml(path: Path) -> None:
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"loggerconfig: reading {path} needs circus-core[yaml]; install it") from None
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"loggerconfig: {path}: {error}") from error
    _apply_mapping(document, path)


def _apply_mapping(document: Any, path: Path) -> None:
    import logging.config

    if not isinstance(document, Mapping):
        raise ConfigError(f"loggerconfig: {path} must hold a mapping")
    logging.config.dictConfig(dict(document))


_APPLY: Final[Mapping[str, Callable[[Path], None]]] = {
    ".ini": _apply_ini,
    ".json": _apply_json,
    ".yaml": _apply_yaml,
    ".yml": _apply_yaml,
}


def _wake_own_loggers() -> None:
    """Such files switch off all loggers that exist and are not named; the daemon must not fall silent."""
    for logger in _own_loggers():
        logger.disabled = False


def _own_loggers() -> Iterator[logging.Logger]:
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _OWN_NAMES:
            yield logger
