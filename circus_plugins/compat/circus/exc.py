"""The exceptions of Circus 0.19; those that circus-core has, too, are the same classes."""

from circus_core import AlreadyExistError as AlreadyExist
from circus_core import CallError, CircusError, MessageError

__all__ = ["AlreadyExist", "ArgumentError", "CallError", "ConflictError", "MessageError"]


class ArgumentError(CircusError):
    """The arguments of a command line make no sense."""


class ConflictError(CircusError):
    """Something else is being done. Not raised any more: operations wait for each other, or compose."""
