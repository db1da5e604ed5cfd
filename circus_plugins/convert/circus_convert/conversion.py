"""From a file to the text of another one: which form it has, what it means, how that is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, cast

from circus_convert.document import Document
from circus_convert.ini import write_ini
from circus_convert.problems import ConvertError
from circus_convert.procfile import convert_procfile, is_entry
from circus_convert.supervisor import convert_supervisor
from circus_convert.toml import write_toml

__all__ = ["SOURCES", "TARGETS", "Source", "Target", "convert", "detect", "target_of", "write"]

Source = Literal["supervisor", "procfile"]
Target = Literal["ini", "toml"]
SOURCES: Final[tuple[Source, ...]] = ("supervisor", "procfile")
TARGETS: Final[tuple[Target, ...]] = ("ini", "toml")

_SECTION: Final = re.compile(
    r"\s*\[(supervisord|unix_http_server|inet_http_server|supervisorctl|include|rpcinterface:.*"
    r"|(program|fcgi-program|group|eventlistener):.+)\]"
)
_READERS: Final[Mapping[Source, Callable[[Path], Document]]] = {
    "supervisor": convert_supervisor,
    "procfile": convert_procfile,
}


def convert(path: Path, source: Source | None = None) -> Document:
    """Read a file; its form is found out if it is not given.

    Raises:
        ConvertError: it can't be read, or is not of this form.
    """
    return _READERS[source or detect(path)](path)


def detect(path: Path) -> Source:
    """Tell the form of a file by its sections, by its name, or by its lines.

    Raises:
        ConvertError: it can't be read, or is neither.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text in UTF-8"
        raise ConvertError(f"{path}: can't be read: {(reason or str(error)).lower()}") from None
    if any(_SECTION.match(line) for line in lines):
        return "supervisor"
    written = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    is_like_one = written and all(": " in line and is_entry(line) for line in written)
    if path.name.startswith("Procfile") or is_like_one:
        return "procfile"
    raise ConvertError(f"{path}: neither a supervisord.conf nor a Procfile; if it is one, say --from")


def write(document: Document, target: Target) -> str:
    """Return the text of the file.

    Raises:
        ConvertError: a value can't be written in this form.
    """
    return write_ini(document) if target == "ini" else write_toml(document)


def target_of(name: str | None, output: str | None) -> Target:
    """Return the form to write: as named, else by the ending of the output, else ini."""
    if name is not None:
        return cast(Target, name)
    return "toml" if output is not None and output.endswith(".toml") else "ini"
