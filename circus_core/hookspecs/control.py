"""Hooks around the commands of clients. On the loop; a client waits for them, others do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circus_core.access.identity import Identity
from circus_core.hookspecs.markers import hookspec
from circus_core.hookspecs.verdict import Answer

__all__ = ["after_command", "authorize", "before_command", "find_command"]


@hookspec
def find_command(name: str) -> Any:
    """Provide a command that no installed package names as an entry point.

    When: at each request for a command that is not installed; a plain function.

    Args:
        name: of the command.

    Returns:
        an object of a subclass of `Command`, or None.

    Combining: the first answer counts.
    Failure: logged; the next plugin is asked.

    Example:
        @hookimpl
        def find_command(name):
            return Greet() if name == "greet" else None
    """


@hookspec
def authorize(identity: Identity, command: str, properties: Mapping[str, Any], access: str) -> Answer:
    """Ask whether a client that was let in may have this command carried out.

    When: after the client is identified and the request is found valid, before `before_command`.

    Args:
        identity: who asks, as the kernel established it; `role` is what it was given, "full" or "read".
        command: name of the command.
        properties: the `properties` of the request; do not change them.
        access: what the command is for: "read" if it changes nothing and tells no secret, else "full".

    Returns:
        False denies it, the client gets an error that says so. True or None does not stand in its way:
        nobody can let in whom the kernel did not.

    Combining: all are asked; one False is enough.
    Failure: logged, counted as False.

    Example:
        @hookimpl
        def authorize(access):
            return access == "read" or calendar.is_workday()
    """


@hookspec
def before_command(identity: Identity, command: str, properties: Mapping[str, Any]) -> None:
    """Note that a command is about to be carried out.

    When: after `authorize` agreed, before the command runs.

    Args:
        identity: who asks.
        command: name of the command.
        properties: the `properties` of the request; do not change them.

    Returns:
        nothing; `authorize` is the place to refuse.

    Combining: all are called, one after the other; the command waits for coroutines.
    Failure: logged; the command is carried out.

    Example:
        @hookimpl
        def before_command(identity, command, properties):
            audit.write(f"{identity} wants {command} {properties.get('name', '')}")
    """


@hookspec
def after_command(identity: Identity, command: str, properties: Mapping[str, Any], error: str) -> None:
    """Note that a command has ended.

    When: after the command ran and before its client is answered; also when it failed.

    Args:
        identity: who asked.
        command: name of the command.
        properties: the `properties` of the request.
        error: what the client is told went wrong; empty if nothing did.

    Returns:
        nothing.

    Combining: all are called, one after the other.
    Failure: logged; the client gets the answer of the command.

    Example:
        @hookimpl
        def after_command(command, error):
            outcomes[command, bool(error)] += 1
    """
