"""A file, with all it includes -> a Config, or every problem that keeps us from it."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from circus_core.config.build import build_config, socket_names
from circus_core.config.convert import Context
from circus_core.config.environment import Daemon
from circus_core.config.ini import read_ini
from circus_core.config.model import Config
from circus_core.config.names import Names
from circus_core.config.options import Option, Table
from circus_core.config.problems import Place, Problem, Report, raise_errors
from circus_core.config.raw import RawFile, Reader, Sections, merge
from circus_core.config.substitute import Scope, expand_env
from circus_core.errors import CircusError
from circus_core.records import dataclass

__all__ = ["LoadResult", "builtin_reader", "load", "load_or_raise", "read_sections"]

_WILDCARDS = "*?["


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """`config` is None if there is an error among the problems; these are in the order of the files."""

    config: Config | None
    problems: tuple[Problem, ...]


def builtin_reader(path: Path) -> Reader:
    """Return the reader for a file: toml by its ending, ini for everything else."""
    if path.suffix.lower() != ".toml":
        return read_ini
    from circus_core.config.toml import read_toml  # a parser that most do without

    return read_toml


def load(
    path: str | Path,
    *,
    reader_for: Callable[[Path], Reader] = builtin_reader,
    extra_options: Iterable[Option] = (),
    extras: Callable[[], Sequence[str]] = tuple,
    names: Names | None = None,
    environ: Mapping[str, str] | None = None,
    inherited: Daemon | None = None,
) -> LoadResult:
    """Load a configuration file. Never raises for what is wrong with the file.

    Args:
        path: the main file; `include` and `include_dir` are relative to its folder.
        reader_for: finds the reader of a file; may raise CircusError if there is none.
        extra_options: options that installed packages registered; they go to `ArbiterConfig.options` (or to
            `options` of watchers and sockets, by their `section`).
        extras: tells what to install for options nobody provides, such as "circus-core[stats]"; asked only if
            there is one.
        names: looks up streams, backends, plugins and hook functions, so that one that is missing is an error
            with its place; None: they are not looked at.
        environ: environment of the daemon, `os.environ` if not given.
        inherited: that and the import path, as they were at another time; then environ is not looked at.
    """
    report = Report()
    context = Context(
        table=Table(extra_options),
        daemon=inherited or Daemon.current(environ),
        report=report,
        extras=extras,
        names=names,
    )
    files = _Files(Path(path), reader_for, context)
    sections = files.read()
    context.sockets = socket_names(sections)
    config = build_config(sections, context, Path(path)) if files.has_main else None
    problems = tuple(sorted(report.problems, key=files.order))
    return LoadResult(config=None if report.has_errors() else config, problems=problems)


def load_or_raise(path: str | Path, **options: Any) -> Config:
    """Load as `load` does; raises ConfigError with one line for each error."""
    result = load(path, **options)
    raise_errors(result.problems)
    if result.config is None:
        raise AssertionError("a result without configuration has errors")
    return result.config


def read_sections(
    path: str | Path, reader_for: Callable[[Path], Reader] = builtin_reader
) -> tuple[Sections, list[Path]]:
    """Return the sections of a file and of all it includes, as written, and the files.

    Raises:
        ConfigError: a file can't be read, or a line of it can't be understood.
    """
    report = Report()
    context = Context(table=Table(), daemon=Daemon.current(None), report=report)
    files = _Files(Path(path), reader_for, context)
    sections = files.read()
    raise_errors(tuple(sorted(report.problems, key=files.order)))
    return sections, files.names


class _Files:
    """The main file and what it includes, each read once."""

    def __init__(self, main: Path, reader_for: Callable[[Path], Reader], context: Context) -> None:
        self._main = main
        self._reader_for = reader_for
        self._report = context.report
        self._scope = Scope(context.daemon.environ)
        self._seen: list[Path] = []
        self.has_main = False

    @property
    def names(self) -> list[Path]:
        """Those that were read, the main file first."""
        return list(self._seen)

    def order(self, problem: Problem) -> tuple[int, int]:
        """Sort key: by file as they were read, then by line."""
        index = self._seen.index(problem.file) if problem.file in self._seen else -1
        return index, problem.line or 0

    def read(self) -> Sections:
        main = self._read(self._main, Place(self._main))
        if main is None:
            return {}
        self.has_main = True
        included = [self._read(path, place) for path, place in self._included(main)]
        for file in included:
            self._doubt_nested(file)
        return merge([main, *(file for file in included if file is not None)], self._report)

    def _read(self, path: Path, place: Place) -> RawFile | None:
        self._seen.append(path)
        try:
            file = self._reader_for(path)(path)
        except FileNotFoundError:
            self._report.error(Place(path), "the configuration file does not exist")
        except OSError as error:
            self._report.error(Place(path), f"can't be read: {(error.strerror or str(error)).lower()}")
        except CircusError as error:
            self._report.error(place, f"{path}: {error}" if place.line else str(error))
        else:
            self._report.problems.extend(file.problems)
            return file
        return None

    def _included(self, main: RawFile) -> list[tuple[Path, Place]]:
        """Files to include, in order, none twice, each with the place that asks for it."""
        found: dict[Path, Place] = {}
        for key, place, pattern in _patterns(main, self._scope, self._report):
            for path in self._matches(key, pattern, place):
                if path != self._main and not _is_same(path, self._main):
                    found.setdefault(path, place)
        return list(found.items())

    def _matches(self, key: str, pattern: str, place: Place) -> list[Path]:
        """Paths in sorted order: that of the file system is no order."""
        root = self._main.parent
        names = sorted(glob.glob(pattern, root_dir=root))
        if not names:
            is_wild = any(mark in pattern for mark in _WILDCARDS)
            tell = self._report.notice if is_wild else self._report.doubt
            tell(place, f"{key} {pattern!r} matches nothing, relative to the main file", option=key)
        if key == "include":
            return [root / name for name in names]
        endings = dict.fromkeys((".ini", self._main.suffix or ".ini"))
        return [
            path
            for name in names
            for ending in endings
            for path in sorted((root / name).glob(f"*{glob.escape(ending)}"))
        ]

    def _doubt_nested(self, file: RawFile | None) -> None:
        for section in file.sections if file is not None else ():
            for key in {"include", "include_dir"} & section.values.keys() if section.name == "circus" else ():
                place = section.place_of(key)
                self._report.doubt(place, f"{key} in an included file is not followed", option=key)


def _patterns(main: RawFile, scope: Scope, report: Report) -> Iterable[tuple[str, Place, str]]:
    circus = next((section for section in main.sections if section.name == "circus"), None)
    for key in ("include", "include_dir"):
        raw = circus.values.get(key) if circus is not None else None
        if raw is None or circus is None:
            continue
        words = raw.value if isinstance(raw.value, list) else str(raw.value).split()
        for word in words:
            yield key, circus.place_of(key), expand_env(str(word), scope)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
