"""The reference of options, written from the table."""

from __future__ import annotations

from typing import Any, Final

from circus_core.config.options import OPTIONS, Option

__all__ = ["options_markdown"]

_HEAD: Final = """\
# Options

<!-- Written by docs/generate_options.py from circus_core/config/options.py; change it there. -->

What stands where, how values are written, and which variables can be used: [configuration](configuration.md).
An option that a package adds to `[circus]` is in the README of the package. "Change" is what `reloadconfig`
does when the value has changed. "Since 0.19" means that Circus 0.19 or an older one has it too.

Durations are seconds, or a number with one of the units `ms`, `s`, `m`, `h`, `d`.
"""

_SECTIONS: Final = {
    "circus": ("[circus]", "The daemon. One section, optional."),
    "watcher": (
        "[watcher:NAME]",
        "The processes of one command. Any other key is free: it is kept and shown by `options`, and plugins "
        "read their settings for this watcher from it, as `PLUGIN.KEY`.",
    ),
    "socket": (
        "[socket:NAME]",
        "A listening socket, bound once and passed to processes. NAME is in lower case.",
    ),
    "plugin": (
        "[plugin:NAME]",
        "A plugin. It is run by a watcher called `plugin:NAME`, which takes all options of a watcher except "
        "`name`, `cmd`, `args`, `shell` and `shell_args`; its defaults are `priority = 1`, `singleton`, "
        "`copy_env` and `copy_path` on, and output closed unless `[circus] debug` is on. Every key but `use` "
        "is handed to the plugin as text.",
    ),
}


def options_markdown() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *(_section(name) for name in _SECTIONS)])


def _section(name: str) -> str:
    header, about = _SECTIONS[name]
    options = [option for option in OPTIONS if option.section == name]
    rows = [_row(option) for option in options if not option.retired]
    retired = [f"- `{option.name}`: {option.retired}" for option in options if option.retired]
    lines = [f"## {header}", "", about, "", *_TABLE, *rows, ""]
    if retired:
        lines += ["Old options that are accepted and ignored:", "", *retired, ""]
    return "\n".join(lines)


_TABLE: Final = (
    "| Option | Accepts | Default | Meaning | Change | Since |",
    "|---|---|---|---|---|---|",
)


def _row(option: Option) -> str:
    names = ", ".join(f"`{name}`" for name in (option.name, *option.aliases))
    cells = (names, option.kind.accepts, _default(option), option.doc, option.effect.value, option.since)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(option: Option) -> str:
    if option.required:
        return "required"
    if option.default in (None, ""):
        return ""
    return f"`{_spelled(option.name, option.default)}`"


def _spelled(name: str, value: Any) -> str:
    """A default as it would be written in a file."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "stop_signal":
        return "SIGTERM"
    return f"{value:g}" if isinstance(value, float) else str(value)
