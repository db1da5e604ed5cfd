"""The options `--log-level` and `--log-output` of a program that calls `configure_logging` with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["add_log_options"]


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Let a program take `log_level` and `log_output`, as circusd hands its own on to what it runs."""
    parser.add_argument(
        "--log-level",
        default="info",
        metavar="LEVEL",
        help="debug, info, warning, error or critical (%(default)s)",
    )
    parser.add_argument(
        "--log-output",
        default="-",
        metavar="OUTPUT",
        help="file, syslog://HOST[:PORT]?FACILITY, or - for standard error (%(default)s)",
    )
