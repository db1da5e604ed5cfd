"""Write a document as a toml file."""

from __future__ import annotations

from collections.abc import Sequence

import tomlkit
from tomlkit.items import Table

from circus_convert.document import Document, Section

__all__ = ["write_toml"]


def write_toml(document: Document) -> str:
    """Return the text of the file."""
    blocks = ["".join(f"# {line}\n" for line in document.head())]
    return "\n".join([*blocks, *map(_written, document.sections)])


def _written(section: Section) -> str:
    notes = "".join(f"# {' '.join(str(note).split())}\n" for note in section.notes)
    if not section.options:
        return notes
    table = tomlkit.table()
    for key, value in section.options.items():
        table.append(_dotted(key.split(".") if _is_nested(section, key) else [key]), value)
    return notes + _whole(section.name.partition(":")[::2], table)


def _is_nested(section: Section, key: str) -> bool:
    """Whether the dots of a key divide it: names of environment variables have none that do."""
    return "." in key and not section.name.startswith("env")


def _dotted(parts: Sequence[str]) -> tomlkit.items.Key:
    return tomlkit.key(list(parts)) if len(parts) > 1 else tomlkit.key(parts[0])


def _whole(name: tuple[str, str], table: Table) -> str:
    """Return `[kind.name]` and the table below it."""
    header = ".".join(tomlkit.key(part).as_string() for part in name if part)
    return f"[{header}]\n{table.as_string()}"
