"""ai-cli-utils keeps a circusd of its own in the background.

It starts `circusd --daemon --pidfile` with ipc endpoints and adds watchers with all their options by a
CircusClient.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import psutil

from tests.embedders.programs.waiting import until

STUB = '#!/bin/sh\necho "watching $*"\nexec sleep 1003\n'


def main() -> None:
    state, programs = Path("state").resolve(), Path("programs").resolve()
    programs.mkdir()
    (programs / "ai").write_text(STUB)
    (programs / "ai").chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ |= {"HOME": str(Path().resolve()), "XDG_STATE_HOME": str(state), "PATH": path}
    from ai_cli import process_manager  # type: ignore[import-not-found]

    from circus.client import CircusClient

    def said(function: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            getattr(process_manager, function)()
        return out.getvalue().strip()

    process_manager._cmd_quota_watch_start()
    folder = process_manager.get_xdg_state_home()
    daemon = psutil.Process(int((folder / "circusd.pid").read_text()))
    try:
        assert any("circusd" in word for word in daemon.cmdline())
        until(lambda: said("_cmd_quota_watch_status") == "quota-watch: active", "an active watcher")
        log = folder / "quota-watch.log"
        until(lambda: log.is_file() and "watching quota watch run" in log.read_text(), "its output")
        (worker,) = daemon.children()
        worker.kill()
        until(lambda: set(daemon.children()) - {worker}, "a new process")
        process_manager._cmd_quota_watch_start()  # again: removes it and adds it
        assert psutil.Process(int((folder / "circusd.pid").read_text())) == daemon
        assert said("_cmd_stale_session_reaper_start") == "stale-session-reaper: running"
        until(lambda: said("_cmd_stale_session_reaper_status").endswith(": running"), "the other watcher")
        assert said("_cmd_stale_session_reaper_stop") == "stale-session-reaper: stopped"
        process_manager._cmd_quota_watch_stop()
        until(lambda: said("_cmd_quota_watch_status") == "quota-watch: not registered", "its removal")
        until(lambda: not daemon.children(), "the end of its process")
    finally:
        with contextlib.suppress(Exception):
            CircusClient(endpoint=f"ipc://{folder}/circus.endpoint").send_message("quit")
        daemon.wait(20)


if __name__ == "__main__":
    main()
