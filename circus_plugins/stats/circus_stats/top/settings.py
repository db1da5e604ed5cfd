"""The command line of circus-top."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DEFAULT_CONTROL", "Settings", "parse"]

DEFAULT_CONTROL = "tcp://127.0.0.1:5555"

_DESCRIPTION = "Shows what watchers and processes cost, live, and lets you act on them."
_EPILOG = """\
On a terminal it fills the screen: ? shows its keys. Where there is none it prints a table again and again.

The daemon is asked where its statistics are published, so --control alone is enough for a daemon at
another place. With --endpoint alone nothing can be asked or done unless the daemon at the usual control
endpoint is the one that publishes there.

exit status: 0 done; 1 no answer in time, or a login that fails; 2 the command line can't be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was typed.

    Attributes:
        endpoint: of the statistics; None: the daemon is asked.
        control: control endpoint of the daemon.
        is_control_typed: it was given, here or in CIRCUSCTL_ENDPOINT.
        ssh: `[user@]host[:port]`.
        process_timeout: seconds after which a process of which nothing is heard is left out.
        interval: seconds between two questions where nothing is published.
        timeout: seconds within which there must be figures where they are printed once.
        once: print one table and end.
        json: print a line of JSON for each round.
    """

    endpoint: str | None = None
    control: str = DEFAULT_CONTROL
    is_control_typed: bool = False
    ssh: str | None = None
    ssh_keyfile: str | None = None
    process_timeout: float = 3.0
    interval: float = 1.0
    timeout: float = 10.0
    once: bool = False
    json: bool = False

    @property
    def may_ask_any_daemon(self) -> bool:
        """Whether the daemon at `control` is meant in any case."""
        return self.endpoint is None or self.is_control_typed


def parse(argv: Sequence[str] | None = None) -> Settings | None:
    """Understand the command line; SystemExit as argparse does. None: only the version is wanted."""
    parser = argparse.ArgumentParser(
        prog="circus-top",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--endpoint", type=_endpoint, help="endpoint of the statistics (default: what the daemon says)")
    add(
        "--control",
        type=_endpoint,
        metavar="ENDPOINT",
        help=f"control endpoint of circusd (default: $CIRCUSCTL_ENDPOINT, or {DEFAULT_CONTROL})",
    )
    add("--ssh", metavar="USER@HOST:PORT", help="reach both endpoints through this host")
    add("--ssh-keyfile", metavar="FILE", help="private key for the login")
    add(
        "--process-timeout",
        type=_seconds,
        default=3.0,
        metavar="SECONDS",
        help="leave out processes of which nothing is heard for so long (default: 3)",
    )
    add(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="between two questions to a daemon that publishes no statistics (default: 1)",
    )
    add("--once", action="store_true", help="print one table and end")
    add(
        "--timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="with --once, to wait for figures (default: 10)",
    )
    add("--json", action="store_true", help="print a line of JSON for each round; with --once one line")
    add("--version", action="store_true", help="print the version and end")
    typed = parser.parse_args(argv)
    if typed.version:
        return None
    control = typed.control or os.environ.get("CIRCUSCTL_ENDPOINT") or None
    return Settings(
        endpoint=typed.endpoint,
        control=control or DEFAULT_CONTROL,
        is_control_typed=control is not None,
        ssh=typed.ssh,
        ssh_keyfile=typed.ssh_keyfile,
        process_timeout=typed.process_timeout,
        interval=typed.interval,
        timeout=typed.timeout,
        once=typed.once,
        json=typed.json,
    )


def _endpoint(text: str) -> str:
    """Return what looks like an endpoint; whether it is one is seen when it is connected."""
    scheme, _, address = text.partition("://")
    if scheme == "ipc" and address:
        return text
    if scheme == "tcp" and address.rpartition(":")[2].isdecimal():
        return text
    raise argparse.ArgumentTypeError(f"must be tcp://HOST:PORT or ipc://PATH, got '{text}'")


def _seconds(text: str) -> float:
    """Return a number of seconds from 0.1 to a day."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"must be seconds from 0.1 to 86400, got '{text}'")
    return number
