"""`circus-top`: what watchers and processes cost, on a terminal or as text."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from circus_core import CircusError, open_tunnel
from circus_stats.top.settings import Settings, parse

if TYPE_CHECKING:
    from circus_core import Tunnel

__all__ = ["main"]

DONE: Final = 0
FAILED: Final = 1

_NO_ANSWER: Final = """\
circus-top: no figures within {seconds:g} seconds from
  {where}
{reason}
Either circusd does not run there (check --control), or it does not let you in (run as its user, or with
a key that it admits: circusctl --help keys), or circusd-stats is not there (check --endpoint)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    settings = parse(argv)
    if sys.stdout is None:  # it was closed by who started us
        print("circus-top: there is no standard output", file=sys.stderr)
        return FAILED
    if settings is None:
        print(f"circus-top {version('circus-stats')}")
        return DONE
    try:
        if settings.ssh is None:
            return _run(settings, None)
        with open_tunnel(settings.ssh, settings.ssh_keyfile) as tunnel:
            return _run(settings, tunnel)
    except KeyboardInterrupt:
        return DONE
    except BrokenPipeError:  # the reader of our output has gone
        _forget_output()
        return DONE
    except OSError as error:  # a full disk, or the like
        print(f"circus-top: can't write: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        _forget_output()
        return FAILED
    except CircusError as error:
        print(f"circus-top: {error}", file=sys.stderr)
        return FAILED


def _forget_output() -> None:
    """Let what is not written yet go nowhere, instead of failing once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(settings: Settings, tunnel: Tunnel | None) -> int:
    if settings.once or settings.json or not _is_screen():
        return asyncio.run(_print(settings, tunnel))
    from circus_stats.top.app import run_app

    return run_app(settings, tunnel)


def _is_screen() -> bool:
    """Whether there is a terminal that can be drawn on; Textual draws on standard error."""
    try:
        is_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
    return is_terminal and os.environ.get("TERM", "") not in ("", "dumb")


async def _print(settings: Settings, tunnel: Tunnel | None) -> int:
    from circus_stats.top.plain import Rounds
    from circus_stats.top.session import Session

    session = Session(settings, tunnel=tunnel, on_change=lambda: rounds.note_change())
    rounds = Rounds(session, sys.stdout, is_json=settings.json)
    following = asyncio.create_task(session.run())
    try:
        if not settings.once:
            await rounds.print_all()
            print(f"circus-top: {session.status.trouble}", file=sys.stderr)
            return FAILED
        if await rounds.print_one(settings.timeout):
            return DONE
        print(_no_answer(settings, session.status.trouble), file=sys.stderr)
        return FAILED
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def _no_answer(settings: Settings, trouble: str) -> str:
    where = settings.control if settings.may_ask_any_daemon else settings.endpoint
    return _NO_ANSWER.format(seconds=settings.timeout, where=where, reason=trouble)


if __name__ == "__main__":
    sys.exit(main())
