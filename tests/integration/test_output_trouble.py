"""Subscribers hear of a stream that takes nothing, that works again, or that loses output: once each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.integration.daemon import Daemon, until

Start = Callable[..., Daemon]

SINKS = """
import pathlib

class Stuck:
    def __init__(self, key):
        self.key = pathlib.Path(key)

    def __call__(self, chunk):
        if not self.key.exists():
            raise OSError(28, "no space left")

class Broken:
    def __call__(self, chunk):
        raise ValueError("can't")
"""


def started(circusd: Start, folder: Path, stream: str) -> Daemon:
    (folder / "sinks.py").write_text(SINKS)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    cmd = "sh -c 'for n in 1 2 3 4 5; do echo $n; sleep 0.05; done; exec sleep 1000'"
    section = f"[watcher:web]\ncmd = {cmd}\nautostart = False\n{stream}"
    return circusd(section, env={"PYTHONPATH": path})


def test_a_stream_that_takes_nothing_is_told_of_once_and_so_is_its_recovery(
    circusd: Start, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    daemon = started(
        circusd,
        tmp_path,
        f"stderr_stream.class = sinks.Broken\nstdout_stream.class = sinks.Stuck\nstdout_stream.key = {key}\n",
    )
    daemon.watcher("web").do("start")
    until(lambda: daemon.events.all("web", "output_held"))
    (held,) = daemon.events.all("web", "output_held")
    assert (held.payload["stream"], held.payload["reason"]) == ("stdout", "no space left on device")
    key.touch()
    until(lambda: daemon.events.all("web", "output_resumed"))
    (resumed,) = daemon.events.all("web", "output_resumed")
    assert (resumed.payload["stream"], resumed.payload["seconds"] > 0) == ("stdout", True)
    daemon.watcher("web").do("stop")
    assert len(daemon.events.all("web", "output_held", "output_resumed", "output_dropped")) == 2


def test_output_that_is_lost_is_told_of_once(circusd: Start, tmp_path: Path) -> None:
    daemon = started(circusd, tmp_path, "stdout_stream.class = sinks.Broken\n")
    daemon.watcher("web").do("start")
    until(
        lambda: (
            daemon.call("stats")["dropped_bytes"] == {"web": 10}
            if daemon.events.all("web", "output_dropped")
            else 0
        )
    )
    (dropped,) = daemon.events.all("web", "output_dropped")
    assert (dropped.payload["stream"], dropped.payload["reason"]) == ("stdout", "ValueError: can't")
    assert 0 < dropped.payload["lost_bytes"] <= dropped.payload["dropped_bytes"] <= 10
    assert daemon.log().count("Traceback") == 1
    daemon.may_fail = True  # that was said in its log
