"""The options of the plugin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from circus_core import TEXT, Kind, seconds, whole

__all__ = ["KINDS", "Options", "read_options"]

_OPTIONAL_TEXT = Kind("text", lambda value: str(TEXT.parse(value)).strip() or None)


def _path(value: Any) -> str:
    text = str(value).strip()
    if not text.startswith("/"):
        raise ValueError(value)
    return text


def _option(default: Any, kind: Kind) -> Any:
    return dataclasses.field(default=default, metadata={"kind": kind})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Attributes:
    host, port: where to listen; port 0 is any that is free.
    unix_socket: a path to listen at instead.
    path: of the page.
    token_file: whoever asks has to know what is in this file.
    cache: seconds for which one reading of the daemon serves all who ask.
    timeout: seconds that the daemon may take to answer.
    """

    host: str = _option("127.0.0.1", TEXT)
    port: int = _option(9555, whole(0, 65535))
    unix_socket: str | None = _option(None, _OPTIONAL_TEXT)
    path: str = _option("/metrics", Kind("a path that begins with /", _path))
    token_file: str | None = _option(None, _OPTIONAL_TEXT)
    cache: float = _option(1.0, seconds())
    timeout: float = _option(5.0, seconds(0.01))


KINDS: Final[Mapping[str, Kind]] = {
    field.name: field.metadata["kind"] for field in dataclasses.fields(Options)
}


def read_options(config: Mapping[str, Any]) -> Options:
    """Return the options that a configuration gives; other keys are not looked at.

    Raises:
        ValueError: a value is not possible; the text names the option.
    """
    return Options(
        **{name: _parse(name, kind, config[name]) for name, kind in KINDS.items() if name in config}
    )


def _parse(name: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.parse(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {kind.accepts}, got {value!r}") from None
