"""What the operations of the HTTP API do, by their names in `openapi.yaml`. No HTTP here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from circus_core import OPTIONS, settable
from circus_httpd.daemon import Daemon
from circus_httpd.daemons import Daemons
from circus_httpd.discovery import discover
from circus_httpd.log_reader import LogFilter, read_lines
from circus_httpd.masking import has_mask, mask_values
from circus_httpd.merge_patch import without_nulls
from circus_httpd.past import read_past
from circus_httpd.problems import Problem
from circus_httpd.tokens import Role

__all__ = ["Answer", "Call", "Operations"]

_FIGURES: Final = 1.6
"""Seconds that who asks once waits for the first figures: circusd-stats publishes each second."""

_LONG: Final = 120.0
"""Seconds for what is waited for: longer than most processes have to end."""

_EVENTS: Final = 200
_LINES: Final = 500
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked, checked against the description.

    Attributes:
        role: of who asks.
        params: those of path and query.
        body: the JSON object that came; empty if none did.
    """

    role: Role
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what is sent as JSON; None for an empty body."""

    value: Any
    status: int = 200


Run = Callable[[Call], Awaitable[Answer]]


class Operations:
    """All that need neither cookies nor a body that is not JSON. Belongs to the loop."""

    def __init__(
        self,
        daemons: Daemons,
        *,
        multicast: str | None,
        description: Mapping[str, Any],
        daemons_changed: Callable[[], Awaitable[None]],
    ) -> None:
        """Args:
        multicast: where to ask for daemons; None: nobody may.
        description: the OpenAPI document.
        daemons_changed: is awaited when somebody connected one or had it forgotten.
        """
        self._daemons = daemons
        self._multicast = multicast
        self._description = description
        self._daemons_changed = daemons_changed
        self.table: Mapping[str, Run] = {
            "openapi": self._openapi,
            "health": self._health,
            "optionTable": self._option_table,
            "daemons": self._list_daemons,
            "connect": self._connect,
            "discover": self._discover,
            "daemon": self._daemon,
            "forget": self._forget,
            "plan": self._plan,
            "reloadconfig": self._reloadconfig,
            "sockets": self._sockets,
            "events": self._events,
            "logs": self._logs,
            "history": self._history,
            "watchers": self._watchers,
            "addWatcher": self._add_watcher,
            "watcher": self._watcher,
            "removeWatcher": self._remove_watcher,
            "start": self._act("start", "started"),
            "stop": self._act("stop", "stopped"),
            "restart": self._act("restart", "restarted"),
            "reload": self._act("reload", "reloaded"),
            "incr": self._act("incr", "given more processes"),
            "decr": self._act("decr", "given fewer processes"),
            "signal": self._act("signal", "signalled"),
            "kill": self._act("kill", "told to replace its processes"),
            "signalProcess": self._act("signal", "signalled"),
            "killProcess": self._act("kill", "told to replace it"),
            "options": self._options,
            "setOptions": self._set_options,
            "environment": self._environment,
            "setEnvironment": self._set_environment,
        }

    def daemon(self, name: str) -> Daemon:
        """Return the daemon of an id, or of `main`. Raises Problem 404."""
        return self._daemons.get(name)

    # -- the service -------------------------------------------------------------------------------------

    async def _openapi(self, call: Call) -> Answer:
        return Answer(self._description)

    async def _health(self, call: Call) -> Answer:
        return Answer({"status": "ok"})

    async def _option_table(self, call: Call) -> Answer:
        names = settable()
        return Answer(
            {
                "options": [
                    {
                        "name": option.name,
                        "doc": option.doc,
                        "accepts": option.kind.accepts,
                        "default": option.default,
                        "unit": option.unit,
                        "effect": option.effect.value,
                        "settable": _is_settable(option.name, names),
                    }
                    for option in OPTIONS
                    if option.section == "watcher" and not option.retired
                ]
            }
        )

    # -- daemons -----------------------------------------------------------------------------------------

    async def _list_daemons(self, call: Call) -> Answer:
        return _shown({"daemons": [daemon.document() for daemon in self._daemons]})

    async def _connect(self, call: Call) -> Answer:
        daemon, is_new = await self._daemons.connect(call.body["endpoint"], call.body.get("ssh"))
        await self._daemons_changed()
        return _shown(daemon.document(), 201 if is_new else 200)

    async def _discover(self, call: Call) -> Answer:
        if self._multicast is None:
            raise Problem(
                409,
                "asking the network for daemons is off: start circushttpd with --multicast udp://GROUP:PORT",
            )
        return Answer({"endpoints": await discover(self._multicast)})

    async def _daemon(self, call: Call) -> Answer:
        return _shown((await self._fresh(call)).document())

    async def _forget(self, call: Call) -> Answer:
        await self._daemons.forget(call.params["daemon"])
        await self._daemons_changed()
        return Answer(None, 204)

    async def _plan(self, call: Call) -> Answer:
        return Answer(_planned(await self._of(call).ask("plan", timeout=_LONG)))

    async def _reloadconfig(self, call: Call) -> Answer:
        reply = await self._of(call).change(None, "reloadconfig", timeout=_LONG, **call.body)
        return Answer(_planned(reply))

    async def _sockets(self, call: Call) -> Answer:
        return _shown((await self._fresh(call)).sockets())

    async def _events(self, call: Call) -> Answer:
        timeline = self._of(call).timeline
        actions = [action for action in call.params.get("action", "").split(",") if action]
        events, missed = timeline.find(
            call.params.get("after", 0),
            most=call.params.get("limit", _EVENTS),
            watcher=call.params.get("watcher"),
            actions=actions,
        )
        return Answer({"events": events, "last": timeline.last, "missed": missed})

    async def _logs(self, call: Call) -> Answer:
        page = await read_lines(
            self._of(call),
            watcher=call.params.get("watcher"),
            stream=call.params.get("stream"),
            most=call.params.get("lines", _LINES),
            filter_=LogFilter(wid=call.params.get("wid"), search=call.params.get("search")),
        )
        return Answer(page)

    async def _history(self, call: Call) -> Answer:
        daemon = self._of(call)
        seconds = call.params.get("seconds", _HOUR)
        return Answer(await read_past(daemon, watcher=call.params.get("watcher"), seconds=seconds))

    # -- watchers ----------------------------------------------------------------------------------------

    async def _watchers(self, call: Call) -> Answer:
        return _shown((await self._fresh(call)).overview(call.role))

    async def _watcher(self, call: Call) -> Answer:
        daemon = await self._fresh(call)
        document = daemon.watcher(call.params["watcher"], call.role)
        if document is None:
            raise Problem(404, f"there is no watcher {call.params['watcher'][:200]!r}")
        return _shown(document)

    async def _add_watcher(self, call: Call) -> Answer:
        daemon = self._of(call)
        if has_mask(call.body):
            raise _masked()
        reply = await daemon.change(None, "add", timeout=_LONG, **call.body)
        return Answer(_outcome(call.body["name"], "added", reply), 201)

    async def _remove_watcher(self, call: Call) -> Answer:
        name = call.params["watcher"]
        about = {key: call.params.get(key) for key in ("nostop", "waiting")}
        reply = await self._of(call).change(None, "rm", timeout=_LONG, name=name, **about)
        return Answer(_outcome(name, "removed", reply))

    def _act(self, command: str, done: str) -> Run:
        async def run(call: Call) -> Answer:
            name = call.params["watcher"]
            reply = await self._of(call).change(
                name,
                command,
                timeout=_LONG,
                name=name,
                pid=call.params.get("pid"),
                match="simple",
                **call.body,
            )
            return Answer(_outcome(name, done, reply))

        return run

    # -- options -----------------------------------------------------------------------------------------

    async def _options(self, call: Call) -> Answer:
        options = await self._all_options(call)
        del options["env"]
        if call.params.get("reveal"):
            return Answer({"options": options, "masked": []})
        shown, masked = mask_values(options)
        return Answer({"options": shown, "masked": masked})

    async def _set_options(self, call: Call) -> Answer:
        if has_mask(call.body["options"]):
            raise _masked()
        name = call.params["watcher"]
        reply = await self._of(call).change(name, "set", timeout=_LONG, name=name, **call.body)
        return Answer(_outcome(name, "changed", reply))

    async def _environment(self, call: Call) -> Answer:
        environment = (await self._all_options(call))["env"]
        if call.params.get("reveal"):
            return Answer({"environment": environment, "masked": []})
        shown, masked = mask_values(environment)
        return Answer({"environment": shown, "masked": masked})

    async def _set_environment(self, call: Call) -> Answer:
        wanted, unwanted = call.body.get("set", {}), call.body.get("unset", ())
        if not wanted and not unwanted:
            raise Problem(422, "nothing to change: give set or unset")
        if has_mask(wanted):
            raise _masked()
        environment = {**(await self._all_options(call))["env"], **wanted}
        for variable in unwanted:
            environment.pop(variable, None)
        name = call.params["watcher"]
        reply = await self._of(call).change(
            name,
            "set",
            timeout=_LONG,
            name=name,
            options={"env": environment},
            waiting=call.body.get("waiting"),
        )
        return Answer(_outcome(name, "changed", reply))

    async def _all_options(self, call: Call) -> dict[str, Any]:
        reply = await self._of(call).ask("options", name=call.params["watcher"])
        options = {"env": {}, **reply["options"]}
        return options

    # -- how ---------------------------------------------------------------------------------------------

    def _of(self, call: Call) -> Daemon:
        return self.daemon(call.params["daemon"])

    async def _fresh(self, call: Call) -> Daemon:
        """Return the daemon, with all that is known of it new."""
        daemon = self._of(call)
        daemon.linger()
        await daemon.refresh()
        await daemon.wait_for_figures(_FIGURES)
        return daemon


def _shown(document: Mapping[str, Any], status: int = 200) -> Answer:
    """Return a document as pages get it, too: what is not known is left out."""
    return Answer(without_nulls(document), status)


def _outcome(name: str, done: str, reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return an `Outcome`."""
    message = f"{name} is a singleton" if reply.get("singleton") else f"{name} was {done}"
    outcome = {"message": message}
    return outcome | {
        key: reply[key] for key in ("numprocesses", "info", "troubles") if reply.get(key) is not None
    }


def _planned(reply: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "plan": reply.get("plan"),
        "applied": bool(reply.get("applied")),
        "refused": reply.get("refused", ""),
        "doubts": reply.get("doubts", []),
        "troubles": reply.get("troubles", {}),
    }


def _is_settable(option: str, names: list[str]) -> bool:
    """Tell whether an option can be set; of a family such as rlimit_NAME its beginning is in the list."""
    beginning = option.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return option in names or (beginning != option and beginning in names)


def _masked() -> Problem:
    return Problem(422, "a value was masked: ask for it with reveal=true before you change it")
