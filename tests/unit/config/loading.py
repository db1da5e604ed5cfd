"""Loads text as a configuration file; for tests only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circus_core.config.ini import parse_ini
from circus_core.config.load import LoadResult, load
from circus_core.config.model import Config, WatcherConfig
from circus_core.config.raw import RawFile

ENVIRON = {"PATH": "/bin", "HOME": "/root", "USER": "joe", "SHELL": "/bin/sh"}


def result_of(text: str, environ: Mapping[str, str] = ENVIRON, **options: Any) -> LoadResult:
    def reader(path: Path) -> RawFile:
        return parse_ini(text, path)

    return load("circus.ini", reader_for=lambda _path: reader, environ=environ, **options)


def config_of(text: str, environ: Mapping[str, str] = ENVIRON, **options: Any) -> Config:
    result = result_of(text, environ, **options)
    assert result.config is not None, "\n".join(map(str, result.problems))
    return result.config


def watcher_of(text: str, environ: Mapping[str, str] = ENVIRON) -> WatcherConfig:
    """The only watcher of a file; `text` is the section's body and what follows it."""
    (watcher,) = config_of(f"[watcher:web]\n{text}", environ).watchers
    return watcher


def messages_of(text: str, **options: Any) -> list[str]:
    return [str(problem) for problem in result_of(text, **options).problems]
