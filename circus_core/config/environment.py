"""The environment of a watcher's processes: `[env]` sections, copied variables, virtualenv."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from circus_core.config.problems import Place, Report
from circus_core.config.raw import RawSection
from circus_core.config.substitute import Scope, expand_env
from circus_core.config.units import to_text
from circus_core.records import dataclass

__all__ = ["Daemon", "EnvSections", "Virtualenv", "compose", "expand_names", "find_virtualenv"]

_NAME: Final = re.compile(r"\$(?:\$|([A-Z][A-Z0-9_]*))")
_WILDCARD: Final = re.compile(r"[*?\[]")
# Cuts a text into `$(circus...)` expressions and what lies between them.
_EXPRESSION: Final = re.compile(
    r"(\$?\$\(circus\.[a-z0-9_.-]+\)|\(\(circus\.[a-z0-9_.-]+\)\))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """What processes can inherit from the daemon: its environment and its import path."""

    environ: Mapping[str, str]
    import_path: tuple[str, ...]

    @classmethod
    def current(cls, environ: Mapping[str, str] | None = None) -> Daemon:
        return cls(
            environ=dict(os.environ if environ is None else environ),
            import_path=tuple(entry for entry in sys.path if entry),
        )


def expand_names(text: str, environ: Mapping[str, str], earlier: Mapping[str, str]) -> str:
    """Replace `$NAME` (upper case, digits, `_`) by a variable of the daemon, else by an earlier one.

    One that neither has gives "". `$$` is a `$`. Everything else with a `$` stays as it is.
    """
    if "$" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return environ.get(name, earlier.get(name, ""))

    return _NAME.sub(replacement, text)


# -- [env] and [env:PATTERNS] ----------------------------------------------------------------------


@dataclass(slots=True)
class _Section:
    """One `[env:PATTERNS]`, at its position among all of them."""

    index: int
    raw: RawSection


class EnvSections:
    """All `[env...]` sections. Finding those of a watcher takes the same time however many there are."""

    def __init__(self, sections: Iterable[RawSection], daemon: Daemon, report: Report) -> None:
        self._daemon = daemon
        self._report = report
        self._by_name: dict[str, list[_Section]] = {}
        self._by_pattern: list[tuple[re.Pattern[str], _Section]] = []
        self._daemon_scope = Scope(daemon.environ)
        self.common: dict[str, str] = {}
        for index, section in enumerate(sections):
            if section.name == "env":
                self._evaluate(section, self.common)
            else:
                self._register(_Section(index, section))
        self.scope = self._daemon_scope.under(self.common)

    def _register(self, section: _Section) -> None:
        for pattern in section.raw.name.removeprefix("env:").split(","):
            pattern = pattern.strip()
            if _WILDCARD.search(pattern):
                self._by_pattern.append((re.compile(fnmatch.translate(pattern)), section))
            elif pattern:
                self._by_name.setdefault(pattern, []).append(section)

    def of(self, *names: str) -> tuple[dict[str, str], Scope]:
        """Return the variables for the watcher that has one of these names, and what its values can use."""
        matching = {section.index: section for section in self._matching(names)}
        own: dict[str, str] = {}
        for _, section in sorted(matching.items()):
            self._evaluate(section.raw, own, below=self.common)
        return {**self.common, **own}, self.scope.under(own) if own else self.scope

    def _matching(self, names: Sequence[str]) -> Iterator[_Section]:
        for name in names:
            yield from self._by_name.get(name, ())
            yield from (section for pattern, section in self._by_pattern if pattern.match(name))

    def _evaluate(
        self, section: RawSection, into: dict[str, str], *, below: Mapping[str, str] | None = None
    ) -> None:
        """Expand each value; one that is already in `into` is replaced: the later section counts."""
        for name, raw in section.values.items():
            place = Place(raw.file, raw.line, section.name)
            try:
                text = to_text(raw.value)
            except ValueError:
                self._report.error(place, f"{name} must be text, got {raw.value!r}", option=name)
                continue
            into[name] = self._expand(text, into, below or {})

    def _expand(self, text: str, into: Mapping[str, str], below: Mapping[str, str]) -> str:
        """A name means the daemon's variable, and an earlier value of an env section if it has none."""
        if "$" not in text and "((" not in text:
            return text
        earlier = ChainMap(dict(into), dict(below))
        return "".join(self._expand_piece(piece, earlier) for piece in _EXPRESSION.split(text)).strip()

    def _expand_piece(self, piece: str, earlier: Mapping[str, str]) -> str:
        """Each piece is expanded once: what a variable holds is never scanned again."""
        if _EXPRESSION.fullmatch(piece):
            return expand_env(piece, self._daemon_scope.over(earlier))
        return expand_names(piece, self._daemon.environ, earlier)


# -- virtualenv ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtualenv:
    """What a virtualenv adds: a folder in front of PATH, entries around PYTHONPATH."""

    bin: str | None
    before: tuple[str, ...]  # from the .pth files, in the order of their names
    after: str  # site-packages


def find_virtualenv(root: str, version: str | None) -> Virtualenv:
    """Look a virtualenv up on disk. Raises ValueError naming the folders that don't exist."""
    version = version or f"{sys.version_info.major}.{sys.version_info.minor}"
    folders = [Path(root, "lib", f"{kind}{version}", "site-packages") for kind in ("python", "pypy")]
    site = next((folder for folder in folders if folder.is_dir()), None)
    if site is None:
        raise ValueError(",".join(str(folder) for folder in folders) + " does not exist")
    programs = Path(root, "bin")
    return Virtualenv(
        bin=str(programs) if programs.is_dir() else None,
        before=tuple(_pth_entries(site)),
        after=str(site),
    )


def _pth_entries(site: Path) -> Iterator[str]:
    """Existing folders named in the .pth files; lines with `import` are code and are skipped: see site(3)."""
    for file in sorted(site.glob("*.pth")):
        for line in file.read_text(errors="replace").splitlines():
            line = line.strip()
            if line and not line.startswith(("#", "import ", "import\t")) and (site / line).exists():
                yield os.path.normpath(site / line)


# -- the whole -------------------------------------------------------------------------------------


def compose(
    own: Mapping[str, str],
    daemon: Daemon,
    *,
    copy_env: bool,
    copy_path: bool,
    virtualenv: Virtualenv | None = None,
) -> dict[str, str]:
    """Return the complete environment: copied variables unchanged, `own` on top, then the virtualenv."""
    env = dict(daemon.environ) if copy_env else {}
    if copy_path:
        env["PYTHONPATH"] = os.pathsep.join(daemon.import_path)
    env.update(own)
    if virtualenv is not None:
        env.update(_of_virtualenv(virtualenv, env))
    return env


def _of_virtualenv(virtualenv: Virtualenv, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if virtualenv.bin is not None:
        yield "PATH", _joined(virtualenv.bin, env.get("PATH", ""))
    yield "PYTHONPATH", _joined(*virtualenv.before, env.get("PYTHONPATH", ""), virtualenv.after)


def _joined(*entries: str) -> str:
    return os.pathsep.join(entry for entry in entries if entry)
