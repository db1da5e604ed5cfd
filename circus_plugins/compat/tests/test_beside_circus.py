"""Circus itself is installed beside this package: it is told, with what to run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import circus

MEND = "run: pip uninstall --yes circus circus-compat, then: pip install circus-compat"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip makes it, with our package."""
    folder = tmp_path_factory.mktemp("site-packages")
    ours = Path(circus.__file__).parent
    shutil.copytree(ours, folder / "circus", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def beside(installed: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The same, and what pip leaves of a distribution `circus`, of the version that the test names."""
    metadata = installed / f"circus-{request.param}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: circus\nVersion: {request.param}\n")
    yield installed
    shutil.rmtree(metadata.parent)


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("beside", ["0.19.0"], indirect=True)
def test_a_package_that_was_installed_over_circus_warns(beside: Path) -> None:
    done = run(beside, "import circus; print(circus.__version__)")
    assert done.stdout.startswith("0.19.0+core.")
    assert "RuntimeWarning: Circus 0.19.0 and circus-compat are both installed" in done.stderr
    assert MEND in done.stderr


@pytest.mark.parametrize("beside", ["0.19.0"], indirect=True)
def test_a_circus_that_was_installed_over_this_package_stops_the_daemon(beside: Path, tmp_path: Path) -> None:
    ours = beside / "circus" / "__init__.py"
    text = ours.read_text()
    ours.write_text("__version__ = '0.19.0'\n")
    (tmp_path / "circus.ini").write_text("[circus]\n")
    done = run(beside, f"from circus_core import run_circusd; run_circusd(['{tmp_path}/circus.ini'])")
    ours.write_text(text)
    assert "'import circus' gets Circus 0.19.0 in the place of circus-compat" in done.stderr
    assert MEND in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("beside", ["0.19.0+core.0.1.0"], indirect=True)
def test_our_own_build_under_its_name_is_fine(beside: Path) -> None:
    done = run(beside, "import circus")
    assert (done.stderr, done.returncode) == ("", 0)


def test_an_import_changes_nothing_of_the_host(tmp_path: Path) -> None:
    code = (
        "import logging, signal\n"
        "before = {s: signal.getsignal(s) for s in signal.valid_signals()}\n"
        "import circus, circus.arbiter, circus.watcher, circus.client, circus.util\n"
        "circus.get_arbiter([{'cmd': 'sleep 1'}])\n"
        "assert before == {s: signal.getsignal(s) for s in before}\n"
        "assert not logging.getLogger().handlers and not circus.logger.handlers\n"
        "assert circus.logger.name == 'circus' and circus.util.to_bool('yes')\n"
    )
    done = run(tmp_path, code)
    assert (done.stderr, done.returncode) == ("", 0)


def test_an_import_of_the_package_loads_no_arbiter(tmp_path: Path) -> None:
    code = (
        "import sys, circus\n"
        "heavy = ('circus_core', 'tornado', 'zmq', 'importlib.metadata')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert run(tmp_path, code).stdout == "[]\n"
