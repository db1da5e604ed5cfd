"""The kernel's commands: one module for each.

The names in `__all__` are promised: the commands, for `CircusClient.run`, what their results are, and what
commands of other packages are made of: `LocalCommand`, `Answer`, `Conversation`, `Result`, and the arguments
`Word`, `Option` and `Switch` with `assign_words`, and options of watchers with `convert_words` and
`check_options`; `parse` gets `Properties`, `execute` a `ControlledArbiter`. Each is imported
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from circus_core.commands.add import Add, AddResult
    from circus_core.commands.arguments import Option, Switch, Word, assign_words
    from circus_core.commands.changed import Changed
    from circus_core.commands.check import Check, Checked
    from circus_core.commands.command import Answer, Conversation, Done, LocalCommand, Result
    from circus_core.commands.completion import Completion
    from circus_core.commands.decr import Decr
    from circus_core.commands.describe import Describe, DescribeResult
    from circus_core.commands.dstats import Dstats, DstatsResult
    from circus_core.commands.events import Events
    from circus_core.commands.get import Get
    from circus_core.commands.globaloptions import Globaloptions
    from circus_core.commands.incr import Incr
    from circus_core.commands.ipython import Ipython, IpythonResult
    from circus_core.commands.keys import Keys
    from circus_core.commands.kill import Kill
    from circus_core.commands.list import List, ListResult
    from circus_core.commands.listen import Listen
    from circus_core.commands.listsockets import Listsockets, ListsocketsResult
    from circus_core.commands.logs import Logs, LogsResult
    from circus_core.commands.numprocesses import Numprocesses, NumprocessesResult
    from circus_core.commands.numwatchers import Numwatchers, NumwatchersResult
    from circus_core.commands.options import Options
    from circus_core.commands.plan import Plan
    from circus_core.commands.planned import Planned
    from circus_core.commands.plugin import Plugin
    from circus_core.commands.properties import Properties
    from circus_core.commands.quit import Quit
    from circus_core.commands.reload import Reload
    from circus_core.commands.reloadconfig import Reloadconfig
    from circus_core.commands.reopen import Reopen
    from circus_core.commands.resizing import Resized
    from circus_core.commands.restart import Restart
    from circus_core.commands.rm import Rm
    from circus_core.commands.set import Set
    from circus_core.commands.shown import Shown
    from circus_core.commands.signal import Signal
    from circus_core.commands.start import Start
    from circus_core.commands.stats import Stats, StatsResult
    from circus_core.commands.status import Status, StatusResult
    from circus_core.commands.stop import Stop
    from circus_core.commands.target import ControlledArbiter
    from circus_core.commands.watcher_options import check_options, convert_words

__all__ = [
    "Add",
    "AddResult",
    "Answer",
    "Changed",
    "Check",
    "Checked",
    "Completion",
    "ControlledArbiter",
    "Conversation",
    "Decr",
    "Describe",
    "DescribeResult",
    "Done",
    "Dstats",
    "DstatsResult",
    "Events",
    "Get",
    "Globaloptions",
    "Incr",
    "Ipython",
    "IpythonResult",
    "Keys",
    "Kill",
    "List",
    "ListResult",
    "Listen",
    "Listsockets",
    "ListsocketsResult",
    "LocalCommand",
    "Logs",
    "LogsResult",
    "Numprocesses",
    "NumprocessesResult",
    "Numwatchers",
    "NumwatchersResult",
    "Option",
    "Options",
    "Plan",
    "Planned",
    "Plugin",
    "Properties",
    "Quit",
    "Reload",
    "Reloadconfig",
    "Reopen",
    "Resized",
    "Restart",
    "Result",
    "Rm",
    "Set",
    "Shown",
    "Signal",
    "Start",
    "Stats",
    "StatsResult",
    "Status",
    "StatusResult",
    "Stop",
    "Switch",
    "Word",
    "assign_words",
    "check_options",
    "convert_words",
]

_MODULES: Final = {
    "add": ["Add", "AddResult"],
    "changed": ["Changed"],
    "check": ["Check", "Checked"],
    "arguments": ["Option", "Switch", "Word", "assign_words"],
    "command": ["Answer", "Conversation", "Done", "LocalCommand", "Result"],
    "completion": ["Completion"],
    "decr": ["Decr"],
    "describe": ["Describe", "DescribeResult"],
    "dstats": ["Dstats", "DstatsResult"],
    "events": ["Events"],
    "get": ["Get"],
    "globaloptions": ["Globaloptions"],
    "incr": ["Incr"],
    "ipython": ["Ipython", "IpythonResult"],
    "keys": ["Keys"],
    "kill": ["Kill"],
    "list": ["List", "ListResult"],
    "listen": ["Listen"],
    "listsockets": ["Listsockets", "ListsocketsResult"],
    "logs": ["Logs", "LogsResult"],
    "numprocesses": ["Numprocesses", "NumprocessesResult"],
    "numwatchers": ["Numwatchers", "NumwatchersResult"],
    "options": ["Options"],
    "plan": ["Plan"],
    "planned": ["Planned"],
    "plugin": ["Plugin"],
    "properties": ["Properties"],
    "quit": ["Quit"],
    "reload": ["Reload"],
    "reloadconfig": ["Reloadconfig"],
    "reopen": ["Reopen"],
    "resizing": ["Resized"],
    "restart": ["Restart"],
    "rm": ["Rm"],
    "set": ["Set"],
    "shown": ["Shown"],
    "signal": ["Signal"],
    "start": ["Start"],
    "stats": ["Stats", "StatsResult"],
    "status": ["Status", "StatusResult"],
    "stop": ["Stop"],
    "watcher_options": ["check_options", "convert_words"],
    "target": ["ControlledArbiter"],
}
_HOMES: Final = MappingProxyType({name: home for home, names in _MODULES.items() for name in names})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
