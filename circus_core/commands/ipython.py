"""`ipython`: what there is in place of a shell inside the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from circus_core.commands.command import Command, Result
from circus_core.records import dataclass

if TYPE_CHECKING:
    from circus_core.commands.properties import Properties
    from circus_core.commands.target import ControlledArbiter

__all__ = ["Ipython", "IpythonRequest", "IpythonResult"]

_WAY_OUT: Final = (
    "circusd runs no shell, which would hold up all that it takes care of; look with 'circusctl describe' "
    "and 'circusctl stats', or run the arbiter in a program of your own (circus_core.get_arbiter)"
)


@dataclass(frozen=True, slots=True)
class IpythonRequest:
    """Nothing to ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IpythonResult(Result):
    """`shell` is the connection file of a kernel, which only 0.19 can start; `msg` says why there is none."""

    shell: str | None = None
    msg: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"shell": self.shell or False, "msg": self.msg}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Self:
        return cls(shell=reply["shell"] or None, msg=str(reply.get("msg", "")))

    def to_text(self) -> str:
        if self.shell is not None:
            return f"connect with: jupyter console --existing {self.shell}"
        return "\n".join(line for line in ("error: Could not start ipython kernel", self.msg) if line)


class Ipython(Command[IpythonRequest, IpythonResult]):
    """Say what there is in place of a shell inside circusd

    Circus 0.19 could run an IPython kernel; while somebody typed there, nothing was supervised.
    """

    name = "ipython"
    access = "read"
    result = IpythonResult

    def parse(self, properties: Properties) -> IpythonRequest:
        return IpythonRequest()

    async def execute(self, arbiter: ControlledArbiter, request: IpythonRequest) -> IpythonResult:
        return IpythonResult(msg=_WAY_OUT)
