"""What the tests of the dashboard share: one daemon for those of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from circus_core.testing import Daemon

from .dashboards import Dashboard

SECTIONS = """
[socket:web]
host = 127.0.0.1
port = 0

[watcher:web]
cmd = sleep $(circus.wid)000
numprocesses = 2
use_sockets = True
max_age = 3600
stop_signal = KILL
hooks.before_spawn = hooks.allow
[env:web]
SECRET_KEY = open-sesame
DATABASE_URL = postgres://bob:hunter2@db/app
COLOUR = blue

[watcher:Talker One]
cmd = sh -c 'echo out $0; echo "<b>err" >&2; exec sleep 1000' $(circus.wid)
numprocesses = 2
stdout_stream.class = StdoutStream
stderr_stream.class = StdoutStream

[watcher:broken]
cmd = /does/not/exist --password=geheim
max_retry = -1

[watcher:idle]
cmd = sleep 1000
autostart = False

[plugin:flapping]
use = flapping
active = False
"""

HOOKS = "def allow(*args, **kwargs):\n    return True\n"


def start(
    folder: Path, stack: ExitStack, sections: str, *, with_figures: bool = False, **circus: object
) -> Dashboard:
    """Start a daemon with its dashboard, and with statistics if they are needed."""
    folder.mkdir(exist_ok=True)
    (folder / "hooks.py").write_text(HOOKS)
    state = folder / "circus" / "httpd"  # where it is if folder is $XDG_STATE_HOME
    options = {
        "httpd": True,
        "httpd_port": 0,
        "httpd_state_dir": state,
        **({"statsd": True, "stats_endpoint": f"ipc://{folder}/stats"} if with_figures else {}),
        **circus,
    }
    daemon = stack.enter_context(Daemon(folder, sections, circus=options))
    return Dashboard(daemon, state)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A daemon with some watchers, figures and a dashboard. What a test changes it puts back."""
    with ExitStack() as stack:
        yield start(tmp_path_factory.mktemp("d"), stack, SECTIONS, with_figures=True)
