"""`plugin`: what is installed, and the beginning of something new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from circus_core.commands.arguments import Option, Switch, Word
from circus_core.commands.command import Answer, Conversation, LocalCommand
from circus_core.errors import MessageError

if TYPE_CHECKING:
    from circus_core.inventory import Provided
    from circus_core.scaffold import Scaffold

__all__ = ["Plugin"]

_ACTIONS: Final = ("list", "new")


class Plugin(LocalCommand):
    """Show what is installed, or begin a plugin of your own

    list: every name that packages provide, by namespace, with the package, its version, the place in it,
    and what keeps it from being loaded.
    new NAME: a folder NAME with a plugin that can be installed and passes its tests as it stands.
    """

    name = "plugin"
    arguments = (
        Word("action", "list or new", metavar="ACTION", choices=_ACTIONS),
        Word("name", "of the new plugin, such as disk-space", metavar="NAME", is_required=False),
        Option("folder", "to make for the new plugin, instead of NAME", completes="file"),
        Switch("all", "list old names too, which stand for what has a new one"),
    )

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        action = arguments["action"]
        if action not in _ACTIONS:
            raise MessageError(f"plugin must be followed by {' or '.join(_ACTIONS)}, got '{action}'")
        if (action == "new") != ("name" in arguments):
            usage = "list [--all]" if action == "list" else "new NAME [--folder FOLDER]"
            raise MessageError(f"write: circusctl plugin {usage}")
        if action == "list" and "folder" in arguments:
            raise MessageError("--folder is for 'plugin new'")
        if action == "new" and "all" in arguments:
            raise MessageError("--all is for 'plugin list'")
        return dict(arguments)

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        if properties["action"] == "list":
            return _list(wants_old=properties.get("all", False))
        return _new(properties["name"], properties.get("folder"))


def _list(*, wants_old: bool) -> Iterator[Answer]:
    from circus_core.inventory import inventory

    found = inventory()
    yield Answer({"provided": [asdict(each) for each in found]}, lambda: _listed(found, wants_old))


def _new(name: str, folder: str | None) -> Iterator[Answer]:
    from pathlib import Path

    from circus_core.scaffold import make_plugin

    made = make_plugin(name, Path(folder or name))
    data = {
        "name": made.name,
        "folder": str(made.folder),
        "distribution": made.distribution,
        "files": list(made.files),
    }
    yield Answer(data, lambda: _next_steps(made, folder or name))


def _listed(found: Sequence[Provided], wants_old: bool) -> str:
    shown = [each for each in found if wants_old or not each.is_old or each.error]
    widths = [max(map(len, column), default=0) for column in zip(*map(_cells, shown), strict=True)]
    lines: list[str] = []
    for namespace, names in groupby(shown, key=lambda each: each.namespace):
        lines.append(f"{namespace}:{' (hooks)' if namespace == 'circus' else ''}")
        for each in names:
            cells = [cell.ljust(width) for cell, width in zip(_cells(each), widths, strict=True)]
            lines.append(f"  {'  '.join(cells)}".rstrip())
            if each.error:
                lines.append(f"    can't be used: {each.error}")
    if hidden := len(found) - len(shown):
        lines.append(f"{hidden} old name{'s' if hidden > 1 else ''} not shown, see --all")
    return "\n".join(lines)


def _cells(each: Provided) -> tuple[str, str, str]:
    return each.name, f"{each.distribution} {each.version}".strip() or "?", each.place


def _next_steps(made: Scaffold, typed: str) -> str:
    from shlex import quote

    # A name that begins with a letter is a package on the index for pip, a path with a slash a folder.
    path = typed if "/" in typed else f"./{typed}"
    return "\n".join(
        [
            f"made {typed}: {', '.join(made.files)}",
            "it is a plugin that works; next:",
            f"  pip install -e {quote(f'{path}[test]')}",
            f"  pytest {quote(typed)}",
            f"  circusd {quote(f'{typed}/example.ini')}",
        ]
    )
