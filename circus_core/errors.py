"""The exceptions of circus-core, each with its number on the wire (the `errno` of an error reply)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

__all__ = [
    "AlreadyExistError",
    "BusyError",
    "CallError",
    "CallTimeoutError",
    "CircusError",
    "CommandError",
    "ConfigError",
    "ConnectionLostError",
    "DriverError",
    "EndpointError",
    "IllegalTransitionError",
    "InvalidJsonError",
    "KeysError",
    "MessageError",
    "PluginError",
    "RefusedError",
    "SocketError",
    "SpawnError",
    "UnknownCommandError",
    "UnknownDriverError",
    "UnknownWatcherError",
    "UnreachableError",
    "WireCode",
]


class WireCode(IntEnum):
    """`errno` of an error reply; the numbers are those of Circus 0.19."""

    NOT_SPECIFIED = 0
    INVALID_JSON = 1
    UNKNOWN_COMMAND = 2
    MESSAGE_ERROR = 3
    OS_ERROR = 4
    COMMAND_ERROR = 5
    BAD_MSG_DATA_ERROR = 6


class CircusError(Exception):
    """Root of everything that circus-core raises on purpose; its text is meant for people."""

    code = WireCode.COMMAND_ERROR


class ConfigError(CircusError):
    """The configuration can't be used; the text has one line per problem."""


class MessageError(CircusError):
    """A request is malformed or names something that does not exist."""

    code = WireCode.MESSAGE_ERROR


class InvalidJsonError(CircusError):
    """The bytes of a message are not JSON in UTF-8."""

    code = WireCode.INVALID_JSON

    def __init__(self) -> None:
        super().__init__("json invalid")


class UnknownCommandError(CircusError):
    """No installed package provides a command of this name."""

    code = WireCode.UNKNOWN_COMMAND

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown command: '{name}'")
        self.name = name


class UnknownWatcherError(MessageError):
    """No watcher has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"program {name} not found")
        self.name = name


class AlreadyExistError(CircusError):
    """A watcher of this name, in any case, exists."""


class CommandError(CircusError):
    """A valid request could not be carried out."""


class DriverError(CircusError):
    """No installed package provides the driver of this name, or it can't be imported."""


class UnknownDriverError(DriverError):
    """No installed package provides the driver of this name."""


class PluginError(CircusError):
    """A hook plugin can't be loaded, or does not fit the hook specifications."""


class SocketError(CircusError):
    """A listening socket can't be made or bound."""


class EndpointError(CircusError):
    """A ZeroMQ endpoint can't be bound."""


class BusyError(CircusError):
    """No worker thread is free and no further one may be started."""


class SpawnError(CircusError):
    """A process could not be started.

    Attributes:
        shortage: True if the machine lacked something for now (fork(2) EAGAIN or ENOMEM, no free
            descriptor): the command is not to blame and the try is not counted against max_retry.
    """

    code = WireCode.OS_ERROR

    def __init__(self, reason: str, *, shortage: bool = False) -> None:
        super().__init__(reason)
        self.shortage = shortage


class IllegalTransitionError(CircusError):
    """A state machine was told of an event that its table does not allow."""


class CallError(CircusError):
    """A client got no usable answer from the daemon."""


class CallTimeoutError(CallError):
    """No answer came in time; the command may still run to its end in the daemon."""


class KeysError(CallError):
    """Keys can't be read, written or used."""


class UnreachableError(CallTimeoutError):
    """No connection came about in time, so nothing was sent: nobody is there, or does not let us in."""


class ConnectionLostError(CallError):
    """The connection ended before the answer came; the command may have been carried out, or never seen."""


class RefusedError(CallError):
    """The daemon answered with an error, whose reason is the text.

    Attributes:
        errno: number of the error, mostly one of WireCode.
        reply: the whole reply.
    """

    def __init__(self, reason: str, *, errno: int, reply: dict[str, Any]) -> None:
        super().__init__(reason)
        self.errno = errno
        self.reply = reply
