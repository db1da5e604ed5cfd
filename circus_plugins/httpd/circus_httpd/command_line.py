"""circushttpd: the dashboard by hand, and its login tokens."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Final

from circus_core import CircusError, ConfigError, add_log_options, configure_logging
from circus_httpd.discovery import parse_multicast
from circus_httpd.gate import parse_name
from circus_httpd.server import Server
from circus_httpd.settings import Settings
from circus_httpd.state import last_url
from circus_httpd.tokens import Role, TokenFile, state_folder

__all__ = ["main"]

_logger = logging.getLogger("circus")

_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")
_ENDPOINT: Final = re.compile(r"tcp://\S+:[0-9]{1,5}|ipc://\S.*")
_USUAL_URL: Final = "http://localhost:8080/"
_EPILOG = """\
circushttpd token        print the address to log in with; --bare: the token alone
circushttpd token --new  make new tokens; who is logged in is logged out
The role read may look, and neither change anything nor see environments and options.

Exit status: 0 it was told to end; 1 it can't serve; 2 the command line can't be understood.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT, SIGTERM, SIGQUIT or SIGHUP, or see to the tokens.

    Returns:
        Exit status: 0 for an orderly end, 1 if it can't serve, 2 for a wrong command line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["token"]:
        return _show_token(words[1:])
    settings, level, output = _read(words)
    try:
        configure_logging(level, output)
        # Requests are logged by ourselves, and tornado warns of each client that does something odd.
        logging.getLogger("tornado").setLevel(logging.ERROR)
        asyncio.run(_serve(settings, output))
    except ConfigError as error:
        sys.stderr.write(f"circushttpd: {error}\n")
        return 2
    except CircusError as error:
        _logger.error("circushttpd: %s", error)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


async def _serve(settings: Settings, output: str) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGWINCH):
        loop.add_signal_handler(signum, ended.set)
    with ExitStack() as watching:
        if settings.ends_with_parent:
            watching.enter_context(_end_of_parent(ended.set))
        async with Server(settings) as server:
            _announce(server, output)
            await ended.wait()


@contextmanager
def _end_of_parent(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` when the process that started this one has ended, where the system can tell: pidfd_open(2).

    A circusd that was killed would leave us behind, on the port that the next one wants.
    """
    loop = asyncio.get_running_loop()
    try:
        parent = os.pidfd_open(os.getppid())
    except (AttributeError, OSError):
        yield
        return
    loop.add_reader(parent, tell)
    try:
        yield
    finally:
        loop.remove_reader(parent)
        os.close(parent)


def _announce(server: Server, output: str) -> None:
    _logger.info("the dashboard is at %s", server.url)
    if not server.has_new_tokens:
        return
    if _is_private(output):
        _logger.info("log in once with %s", login_url(server.url, server.tokens.read()["full"]))
    _logger.info(
        "'circushttpd token' prints the address to log in with; tokens are in %s", server.tokens.path
    )


def _is_private(output: str) -> bool:
    """Tell whether what is logged goes to standard error, and that is a terminal or a file of its owner only.

    Of a pipe nobody knows who reads it: circusd shows what comes out of it to whoever may look.
    """
    if output not in ("-", "stdout"):
        return False
    try:
        if sys.stderr.isatty():
            return True
        found = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077


def login_url(url: str, token: str) -> str:
    """Return the address of the page with the token behind `#`, where no server or proxy sees it."""
    return f"{url}#token={token}"


# -- tokens ----------------------------------------------------------------------------------------------


def _show_token(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="circushttpd token", description="Prints the address to log in to the dashboard with."
    )
    parser.add_argument("--bare", action="store_true", help="print the token alone, such as for curl")
    parser.add_argument("--new", action="store_true", help="make new tokens first, for both roles")
    parser.add_argument("--read-only", action="store_true", help="for the role read, which only looks")
    parser.add_argument(
        "--url", help="of the dashboard (that of the last one with this folder, or http://localhost:8080/)"
    )
    _add_state_dir(parser)
    options = parser.parse_args(words)
    tokens = TokenFile(state_folder(options.state_dir))
    role: Role = "read" if options.read_only else "full"
    try:
        if options.new:
            tokens.renew()
        else:
            tokens.make()
        token = tokens.read()[role]
    except CircusError as error:
        sys.stderr.write(f"circushttpd: {error}\n")
        return 1
    url = (options.url or last_url(tokens.path.parent) or _USUAL_URL).rstrip("/") + "/"
    print(token if options.bare else login_url(url, token))
    return 0


def _add_state_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        metavar="FOLDER",
        help="of tokens and sessions ($XDG_STATE_HOME/circus/httpd or ~/.local/state/circus/httpd)",
    )


# -- serving ---------------------------------------------------------------------------------------------


def _read(words: Sequence[str]) -> tuple[Settings, str, str]:
    """Return the settings, and level and output of logging. Ends the program if the words are wrong."""
    parser = _parser()
    options = parser.parse_args(words)
    try:
        if options.multicast is not None:
            parse_multicast(options.multicast)
        prefix = parse_prefix(options.prefix)
    except ValueError as error:
        parser.error(str(error))
    endpoints = tuple(options.endpoint or (Settings().endpoints))
    settings = Settings(
        host=options.host,
        port=options.port,
        fd=options.fd,
        endpoints=endpoints,
        ssh=options.ssh,
        ssh_keyfile=options.ssh_keyfile,
        multicast=options.multicast,
        prefix=prefix,
        allow_hosts=tuple(options.allow_host),
        trusted_proxies=tuple(options.trusted_proxy),
        certificate=options.certificate,
        key=options.key,
        state_dir=options.state_dir,
        ends_with_parent=options.end_with_parent,
    )
    return settings, options.log_level, options.log_output


def parse_prefix(text: str) -> str:
    """Return a prefix such as `/circus`, "" for none. Raises ValueError."""
    inner = text.strip("/")
    if not inner:
        return ""
    parts = inner.split("/")
    if not all(_SEGMENT.fullmatch(part) and part.strip(".") for part in parts):
        raise ValueError(
            f"a prefix must be a path of letters, digits, - _ . ~, such as /circus, got {text!r}"
        )
    return f"/{inner}"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, got '{text}'")
    return int(text)


def _host(text: str) -> str:
    try:
        return parse_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _endpoint(text: str) -> str:
    """Return what looks like an endpoint; whether it is one is seen when it is connected."""
    if not _ENDPOINT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"must be tcp://HOST:PORT or ipc://PATH, got '{text}'")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be an address or a network: {error}") from None
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="circushttpd",
        usage="circushttpd [options] | circushttpd token [--new] [--read-only] [--bare]",
        description="The web dashboard and the HTTP API of one or more circusd.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--endpoint",
        type=_endpoint,
        action="append",
        metavar="ENDPOINT",
        help="of a circusd (tcp://127.0.0.1:5555); may be repeated",
    )
    add("--host", default="localhost", help="where to listen (%(default)s); 0.0.0.0 lets other machines in")
    add("--port", type=_port, default=8080, help="where to listen (%(default)s); 0: any that is free")
    add("--fd", type=int, metavar="N", help="descriptor of a listening socket to use instead")
    add("--ssh", metavar="[USER@]HOST[:PORT]", help="reach the endpoints from there")
    add("--ssh_keyfile", "--ssh-keyfile", metavar="FILE", help="private key for that")
    add(
        "--multicast",
        metavar="ADDRESS",
        nargs="?",
        const="udp://237.219.251.97:12027",
        help="let the page ask the network for daemons, at %(const)s if no ADDRESS is given",
    )
    add("--certificate", metavar="FILE", help="serve https with this certificate (PEM, with its chain)")
    add("--key", metavar="FILE", help="its private key, if that is not in the same file")
    add(
        "--prefix",
        default="",
        metavar="PATH",
        help="path in front of everything, such as /circus behind a proxy",
    )
    add(
        "--allow-host",
        type=_host,
        action="append",
        default=[],
        metavar="NAME",
        help="a name that browsers may call this server by, besides localhost and addresses; may be repeated",
    )
    add(
        "--trusted-proxy",
        type=_network,
        action="append",
        default=[],
        metavar="ADDRESS",
        help="address or network of a proxy whose X-Forwarded-* headers are believed; may be repeated",
    )
    _add_state_dir(parser)
    add("--end-with-parent", action="store_true", help="end when the process that started it has ended")
    add_log_options(parser)
    add("--version", action="version", version=version("circus-httpd"))
    return parser
