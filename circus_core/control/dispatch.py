"""What becomes of a request, whatever way it came: check it, ask whether it may be, carry it out, answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from circus_core import wire
from circus_core.access.identity import Identity
from circus_core.clock import Clock
from circus_core.commands.command import Command, Result
from circus_core.commands.properties import Properties
from circus_core.commands.target import ControlledArbiter
from circus_core.errors import (
    CircusError,
    CommandError,
    DriverError,
    UnknownCommandError,
    UnknownDriverError,
)
from circus_core.own_task import in_a_task

__all__ = ["ControlHooks", "Dispatcher", "FindCommand"]

log = logging.getLogger("circus")

FindCommand = Callable[[str], Command[Any, Any]]
"""Finds a command by its name, lower case; raises UnknownCommandError or DriverError."""


class ControlHooks(Protocol):
    """The hooks around commands; see the specifications in `circus_core.hookspecs.control`."""

    def find_command(self, name: str, /) -> Command[Any, Any] | None: ...

    async def authorize(
        self, identity: Identity, command: str, properties: Mapping[str, Any], access: str, /
    ) -> Verdict: ...

    async def before_command(
        self, identity: Identity, command: str, properties: Mapping[str, Any], /
    ) -> None: ...

    async def after_command(
        self, identity: Identity, command: str, properties: Mapping[str, Any], error: str, /
    ) -> None: ...


class Verdict(Protocol):
    """What `authorize` answers; false in a condition when it denies."""

    @property
    def by(self) -> str: ...

    def __bool__(self) -> bool: ...


class Dispatcher:
    """Carries out requests on the arbiter's loop, to whose thread it belongs. To be closed."""

    def __init__(
        self,
        arbiter: ControlledArbiter,
        *,
        commands: FindCommand,
        hooks: ControlHooks,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._arbiter = arbiter
        self._find_command = commands
        self._hooks = hooks
        self._clock = clock
        self._loop = loop
        self._followed: set[asyncio.Task[None]] = set()

    async def answer(self, identity: Identity, body: bytes) -> bytes | None:
        """Return the reply to a request, which may be an error; None if no reply is wanted. Never raises.

        To be begun by `Starter.start`. A task of it that is cancelled answers, too: that the daemon ends or
        restarts.
        """
        request: wire.Request | None = None
        try:
            request = wire.decode_message(body)
            result = await self._carry_out(identity, request)
            reply = wire.encode_reply(result.reply(), request_id=request.id, time=self._clock.wall())
        except (CircusError, OSError) as error:
            reply = self._error_reply(error, request)
        except asyncio.CancelledError:
            reply = self._error_reply(self.farewell(), request)
        except Exception as error:  # commands come from anybody
            log.exception("request of %s failed", identity)
            reply = self._error_reply(CommandError(f"{type(error).__name__}: {error}"), request)
        return None if request is not None and request.is_cast else reply

    def refusal(self, body: bytes, error: CircusError) -> bytes | None:
        """Return the reply to a request that is not looked at any further; None if no reply is wanted."""
        try:
            request = wire.decode_message(body)
        except CircusError:
            return self._error_reply(error, None)
        return None if request.is_cast else self._error_reply(error, request)

    def give_up(self) -> None:
        """Follow no more what goes on after replies."""
        for task in self._followed:
            task.cancel()

    def farewell(self) -> CommandError:
        """Return what those are told who are not served any more.

        The words of a restart are those of 0.19, by which clients know that they may ask again.
        """
        is_restarting = self._arbiter.is_restarting
        return CommandError("arbiter is restarting: ask again" if is_restarting else "circusd ends")

    async def close(self) -> None:
        """Do as give_up, and wait until that is done."""
        self.give_up()
        await asyncio.gather(*self._followed, return_exceptions=True)

    async def _carry_out(self, identity: Identity, request: wire.Request) -> Result:
        """Check the request, ask whether it may be carried out, do it and tell how it ended."""
        name, properties = request.command(), request.properties()
        command = self._command(name)
        parsed = command.parse(Properties(properties))
        verdict = await self._hooks.authorize(identity, name, properties, command.access)
        if not verdict:
            raise CommandError(
                f"'{name}' is not allowed for {identity}" + (f": {verdict.by}" if verdict.by else "")
            )
        await self._hooks.before_command(identity, name, properties)
        outcome = "cancelled"
        try:
            if not command.is_immediate:
                await in_a_task()
            result: Result = await command.execute(self._arbiter, parsed)
            outcome = ""
        except Exception as error:
            outcome = str(error) or type(error).__name__
            raise
        finally:
            await self._hooks.after_command(identity, name, properties, outcome)
        if result.unfinished is not None:
            self._follow(name, result.unfinished)
        return result

    def _command(self, name: str) -> Command[Any, Any]:
        if "." in name or ":" in name:  # a driver's dotted path is for configurations, not for clients
            raise UnknownCommandError(name)
        try:
            return self._find_command(name)
        except UnknownDriverError as error:
            found = self._hooks.find_command(name)
            if found is None:
                raise UnknownCommandError(name) from error
            return found
        except DriverError as error:  # somebody has installed it, so somebody wants to know
            log.warning("command '%s': %s", name, error)
            raise UnknownCommandError(name) from error

    def _follow(self, name: str, work: Awaitable[object]) -> None:
        """Log how the work ends that goes on after the reply."""
        task = self._loop.create_task(_log_failure(name, work), name=f"circus {name}")
        self._followed.add(task)
        task.add_done_callback(self._followed.discard)

    def _error_reply(self, error: CircusError | OSError, request: wire.Request | None) -> bytes:
        return wire.encode_error(
            error, request_id=None if request is None else request.id, time=self._clock.wall()
        )


async def _log_failure(name: str, work: Awaitable[object]) -> None:
    try:
        await (asyncio.shield(work) if asyncio.isfuture(work) else work)  # a future is its maker's to cancel
    except CircusError as error:
        log.error("command '%s' failed after its reply: %s", name, error)
    except Exception:
        log.exception("command '%s' failed after its reply", name)
