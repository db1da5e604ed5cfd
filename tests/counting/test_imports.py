"""Which modules are loaded: each costs memory while circusd lives, or time whenever circusctl starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from circus_core.testing import Daemon, until

_CIRCUSCTL = """
import sys
from circus_core.cli.circusctl import main
status = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""


def test_circusctl_status_imports_nothing_that_it_does_not_need(circusd: Callable[..., Daemon]) -> None:
    daemon = circusd("[watcher:w]\ncmd = sleep 1000\nautostart = False\n")
    words = [sys.executable, "-c", _CIRCUSCTL, "--endpoint", daemon.endpoint, "status"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    modules = set(done.stderr.split())
    assert "w: stopped" in done.stdout
    others = (
        "asyncio dataclasses email http importlib.metadata inspect logging pluggy psutil ssl stevedore "
        "subprocess tornado"
    )
    assert _among(modules, others=others, ours="arbiter backends config hooks") == set()
    assert len(modules) <= 140  # 133 with Python 3.11


def test_an_idle_circusd_has_loaded_nothing_that_it_does_not_need(circusd: Callable[..., Daemon]) -> None:
    daemon = circusd(
        "[watcher:w]\ncmd = sleep 1000\nnumprocesses = 2\n", module="tests.counting.telling_circusd"
    )
    daemon.watcher("w").until_pids(2)
    modules = _modules_of(daemon)
    others = (
        "_hashlib _ssl difflib email.message html http multiprocessing psutil._common secrets tornado xml"
    )
    assert _among(modules, others=others, ours="clients.client plugin.base plugin.threads") == set()
    assert len(modules) <= 400  # 379 with Python 3.11, 374 with 3.13


def _among(modules: set[str], *, others: str, ours: str) -> set[str]:
    """Return which of these were loaded; `ours` are those of circus_core."""
    return modules & {*others.split(), *(f"circus_core.{name}" for name in ours.split())}


def _modules_of(daemon: Daemon) -> set[str]:
    told = Path(daemon.folder / "modules")
    (daemon.folder / "tell").touch()
    until(told.exists, daemon.log)
    return {name for name in told.read_text().split() if not name.startswith("circus_") or _is_ours(name)}


def _is_ours(name: str) -> bool:
    """Not a hook plugin that happens to be installed."""
    return name.partition(".")[0] == "circus_core"
