"""The pages: made of the sources that are here, complete, and free of other hosts; their own unit tests."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]
FRONTEND = PROJECT / "frontend"
STATIC = PROJECT / "circus_httpd" / "static"

# Names of standards, and where an error of a library is explained: nothing that a page fetches.
NOT_FETCHED = re.compile(r"https?://(www\.w3\.org|fontsource\.org|preactjs\.com)\b")


@pytest.fixture(scope="module")
def build_hook() -> ModuleType:
    """`hatch_build.py` as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", PROJECT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_made_of_the_sources_that_are_here(build_hook: ModuleType) -> None:
    assert build_hook.Pages(PROJECT).are_current(), "the sources have changed: run make dev"


def test_pages_have_all_files_that_they_name() -> None:
    named = re.findall(r'(?:href|src)="static/([^"]+)"', (STATIC / "index.html").read_text())
    for style in STATIC.glob("*.css"):
        named += re.findall(r'url\("?\./([^")]+)"?\)', style.read_text())
    assert len(named) >= 7
    assert [name for name in named if not (STATIC / name).is_file()] == []


def test_pages_load_nothing_from_another_host() -> None:
    for file in STATIC.glob("*.*"):
        if file.suffix in {".html", ".css", ".js", ".svg"}:
            text = NOT_FETCHED.sub("", file.read_text())
            assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) == [], file.name


def test_page_has_no_inline_script_and_no_inline_style() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", page) == []


def test_licences_of_what_is_packed_are_with_it() -> None:
    licences = (STATIC / "licences.txt").read_text()
    for name in ("preact", "uplot", "@preact/signals", "@fontsource/ibm-plex-mono"):
        assert re.search(rf"^{re.escape(name)} \d", licences, re.MULTILINE), name


def test_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (FRONTEND / "package-lock.json").read_text()


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
@pytest.mark.skipif(not (FRONTEND / "node_modules").is_dir(), reason="the pages were not made here")
def test_pure_parts_of_the_pages_pass_their_own_tests() -> None:
    done = subprocess.run(["node", "build.mjs", "--test"], cwd=FRONTEND, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
