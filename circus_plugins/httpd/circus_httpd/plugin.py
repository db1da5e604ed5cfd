"""`httpd = True`: circusd runs the dashboard, on a socket of its own. A hook plugin that is always there."""

from __future__ import annotations

import dataclasses
import ipaddress
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Final

from circus_core import (
    BOOL,
    TEXT,
    ArbiterConfig,
    Config,
    ConfigError,
    Effect,
    Kind,
    Option,
    hookimpl,
    reachable,
    socket_from_mapping,
    watcher_from_mapping,
    whole,
)

__all__ = ["NAME", "config_loaded", "register_options"]

NAME: Final = "circushttpd"
"""Of the watcher and of its socket."""

_NEW: Final = "circus-core 0.1"


def _optional(value: Any) -> str | None:
    return str(TEXT.parse(value)).strip() or None


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(TEXT.parse(value)).replace(",", " ").split())


def _names(value: Any) -> tuple[str, ...]:
    from circus_httpd.gate import parse_name  # only who gives some pays for it

    return tuple(parse_name(word) for word in _words(value))


def _networks(value: Any) -> tuple[str, ...]:
    words = _words(value)
    for word in words:
        ipaddress.ip_network(word)
    return words


def _prefix(value: Any) -> str:
    from circus_httpd.command_line import parse_prefix  # imports the server

    return parse_prefix(str(TEXT.parse(value)))


_FILE: Final = Kind("the path of a file", _optional)


def _option(name: str, kind: Kind, doc: str, *, default: Any = None, since: str = _NEW) -> Option:
    return Option(name=name, kind=kind, doc=doc, default=default, since=since, effect=Effect.NOW)


_OPTIONS: Final = (
    _option("httpd", BOOL, "Run the web dashboard, circushttpd.", default=False, since="0.19"),
    _option("httpd_host", TEXT, "Where it listens.", default="localhost", since="0.19"),
    _option(
        "httpd_port", whole(0, 65535), "Where it listens; 0: any that is free.", default=8080, since="0.19"
    ),
    _option(
        "httpd_close_outputs",
        BOOL,
        "Drop what it writes, its log too unless that is a file.",
        default=False,
        since="0.19",
    ),
    _option(
        "httpd_certificate", _FILE, "Serve https with the certificate in this file (PEM, with its chain)."
    ),
    _option("httpd_key", _FILE, "Its private key, if that is not in the same file."),
    _option(
        "httpd_prefix",
        Kind("a path such as /circus", _prefix),
        "Path in front of everything, for a proxy that passes it on.",
        default="",
    ),
    _option(
        "httpd_allow_hosts",
        Kind("names, separated by blanks", _names),
        "Names that browsers may call it by, besides localhost and addresses.",
        default=(),
    ),
    _option(
        "httpd_trusted_proxies",
        Kind("addresses or networks, separated by blanks", _networks),
        "Proxies whose X-Forwarded-For, -Proto and -Host are believed.",
        default=(),
    ),
    _option(
        "httpd_state_dir",
        Kind("the path of a folder", _optional),
        "Folder of tokens and sessions; circus/httpd in $XDG_STATE_HOME or ~/.local/state if absent.",
    ),
)


@hookimpl
def register_options() -> list[Option]:
    return list(_OPTIONS)


@hookimpl
def config_loaded(config: Config) -> Config | None:
    """Add socket and watcher, if they are wanted."""
    options = config.arbiter.options
    if not options.get("httpd"):
        return None
    for kind, names in (("watcher", config.watchers), ("socket", config.sockets)):
        if any(each.name.lower() == NAME for each in names):
            raise ConfigError(
                f"httpd = True makes a {kind} {NAME!r}, and there is a section [{kind}:{NAME}]; "
                "remove one of them"
            )
    return dataclasses.replace(
        config,
        sockets=(*config.sockets, socket_from_mapping(_socket(options))),
        watchers=(*config.watchers, watcher_from_mapping(_watcher(config.arbiter))),
    )


def _socket(options: Mapping[str, Any]) -> dict[str, Any]:
    host = options["httpd_host"]
    family = "AF_INET6" if ":" in host else "AF_INET"
    return {"name": NAME, "host": host, "port": options["httpd_port"], "family": family}


def _watcher(arbiter: ArbiterConfig) -> dict[str, Any]:
    does_close = arbiter.options["httpd_close_outputs"]
    keys = {} if arbiter.keys is None else {"CIRCUS_KEYS": arbiter.keys}
    return {
        "name": NAME,
        "cmd": shlex.join([sys.executable, "-m", "circus_httpd", "--end-with-parent"]),
        "args": _arguments(arbiter),
        "singleton": True,
        "use_sockets": True,
        "copy_env": True,
        "copy_path": True,
        "env": keys,
        "close_child_stdout": does_close,
        "close_child_stderr": does_close,
    }


def _arguments(arbiter: ArbiterConfig) -> list[str]:
    options = arbiter.options
    given = {
        "--endpoint": reachable(arbiter.endpoint, "tcp://127.0.0.1:0"),
        "--fd": f"$(circus.sockets.{NAME})",
        "--host": options["httpd_host"],
        "--certificate": options.get("httpd_certificate"),
        "--key": options.get("httpd_key"),
        "--prefix": options["httpd_prefix"] or None,
        "--state-dir": options.get("httpd_state_dir"),
        "--multicast": arbiter.multicast_endpoint,
        "--log-level": "debug" if arbiter.debug else arbiter.loglevel,
        "--log-output": arbiter.logoutput,
    }
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    for host in options["httpd_allow_hosts"]:
        words += ["--allow-host", host]
    for proxy in options["httpd_trusted_proxies"]:
        words += ["--trusted-proxy", proxy]
    return words
