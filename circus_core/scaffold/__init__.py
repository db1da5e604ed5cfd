"""A new plugin: the folder of a package that installs and passes its tests as it stands."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Final

from circus_core.drivers import missing_extras
from circus_core.errors import CircusError, MessageError

__all__ = ["Scaffold", "check_name", "make_plugin"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST: Final = 50
_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pyproject.toml": "pyproject.txt",
        "README.md": "readme.txt",
        "example.ini": "example.txt",
        "$package/__init__.py": "package.txt",
        "$package/plugin.py": "plugin.txt",
        "$package/py.typed": "",
        "tests/test_$module.py": "tests.txt",
    }
)
"""Each file of the folder, and the template beside this module that it is made from; "" for an empty one."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was made.

    Attributes:
        name: for `use = NAME`.
        distribution: the name of the package for pip.
        files: their paths in the folder.
    """

    name: str
    folder: Path
    distribution: str
    files: tuple[str, ...]


def check_name(name: str) -> None:
    """Raise MessageError if a plugin can't be called so; the text says what to write instead."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise MessageError(
            f"NAME must be at most {_LONGEST} small letters and digits, words joined by '-', a letter first, "
            f"such as disk-space, got {name!r}"
        )
    if f"{name}-".startswith("circus-"):
        raise MessageError(
            f"NAME is without 'circus' in front, which the package gets by itself, got {name!r}"
        )


def make_plugin(name: str, folder: Path) -> Scaffold:
    """Write the folder of a plugin, all of it or nothing.

    Args:
        name: as `check_name` wants it.
        folder: must not exist yet; the one that it lies in must.

    Raises:
        MessageError: the name can't be used, or an installed package has it.
        CircusError: the folder is there already, or can't be written.
    """
    check_name(name)
    words = _words(name)
    _check_free(words["distribution"], name)
    target = Path(os.path.abspath(folder))
    _check_folder(target, words["package"])
    texts = _texts(words)
    try:
        with tempfile.TemporaryDirectory(prefix=".new-plugin-", dir=target.parent) as aside:
            made = Path(aside) / "made"
            _write(made, texts)
            made.rename(target)
    except OSError as error:
        raise CircusError(f"{target} can't be written: {error.strerror or error}") from error
    return Scaffold(name, target, words["distribution"], tuple(texts))


def _words(name: str) -> dict[str, str]:
    """What the templates leave open."""
    module = name.replace("-", "_")
    return {
        "name": name,
        "module": module,
        "package": f"circus_{module}",
        "distribution": f"circus-{name}",
        "class_name": "".join(word.capitalize() for word in name.split("-")) + "Plugin",
        "bounds": _bounds(version("circus-core")),
    }


def _bounds(kernel: str) -> str:
    """The versions of the kernel that promise what this one promises: 0.1.x, or 1.x."""
    major, minor = (int(number) for number in re.findall(r"\d+", kernel)[:2])
    above = f"0.{minor + 1}" if major == 0 else f"{major + 1}"
    return f">={major}.{minor},<{above}"


def _check_free(package: str, name: str) -> None:
    if name in missing_extras():
        raise MessageError(f"{name!r} is the name of a package that circus-core knows: choose another one")
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return
    raise MessageError(f"{name!r} is the name of {found.name} {found.version}: choose another one")


def _check_folder(target: Path, package: str) -> None:
    if os.path.lexists(target):
        raise CircusError(f"{target} is there already: name another folder with --folder")
    if not target.parent.is_dir():
        raise CircusError(f"there is no folder {target.parent}: make it, or name another one with --folder")
    if target.name == package:
        raise CircusError(
            f"the folder must not be called {package}, like the package in it: Python would import the folder"
        )


def _texts(words: Mapping[str, str]) -> dict[str, str]:
    templates = files(__name__)
    return {
        Template(path).substitute(words): Template(
            (templates / template).read_text(encoding="utf-8") if template else ""
        ).substitute(words)
        for path, template in _FILES.items()
    }


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir()
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
