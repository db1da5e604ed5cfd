"""Carry out one command line of circusctl: ask circusd, print the answer, and say how it went."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from circus_core.cli.command_line import Line, Settings
from circus_core.errors import CallError, CallTimeoutError, CircusError

if TYPE_CHECKING:
    from circus_core.client import CircusClient

__all__ = ["DONE", "FAILED", "carry_out", "complain", "version"]

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 3

_TIMED_OUT: Final = """\
Timed out.

circusd did not answer within {timeout:g} seconds. Either it can't be reached at
  {endpoint}
or what was asked for takes longer. Check --endpoint (and that circusd runs, as your user or with
endpoint_owner); raise --timeout if you wait for the end of something with --waiting."""


def version() -> str:
    """Return the version of this distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as find

    try:
        return find("circus-core")
    except PackageNotFoundError:
        return "unknown"


def carry_out(line: Line) -> int:
    """Carry out a command line and print what came of it; returns the exit status."""
    from circus_core.client import DEFAULT_ENDPOINT, CircusClient

    if line.command is None:
        return DONE
    try:
        properties = line.properties()
        if line.command.endpoint == "events":
            return _listen(line.settings, properties.get("topics", ()))
        settings = line.settings
        with CircusClient(settings.endpoint or DEFAULT_ENDPOINT, timeout=settings.timeout) as client:
            return _ask(client, line, properties)
    except CircusError as error:
        return complain(f"error: {error}")


def _ask(client: CircusClient, line: Line, properties: dict[str, Any]) -> int:
    command = line.command
    if command is None:
        return DONE
    try:
        reply = client.call({"command": command.name, "properties": properties})
    except CallTimeoutError:
        return complain(_TIMED_OUT.format(timeout=client.timeout, endpoint=client.endpoint))
    is_error = reply.get("status") == "error"
    if line.settings.json:
        print(_as_json(reply, prettify=line.settings.prettify))
        return REFUSED if is_error else DONE
    if is_error:
        return complain(command.error_text(str(reply.get("reason") or "unknown error")), REFUSED)
    try:
        print(command.result.from_json(reply).to_text())
    except (KeyError, TypeError, AttributeError) as error:
        raise CallError(f"the answer to '{command.name}' can't be understood: {reply}") from error
    return DONE


def complain(text: str, status: int = FAILED) -> int:
    """Print to standard error; returns the exit status."""
    print(text, file=sys.stderr)
    return status


def _as_json(reply: Mapping[str, Any], *, prettify: bool) -> str:
    import json

    if not prettify:
        return json.dumps(reply)
    text = json.dumps(reply, indent=2, sort_keys=True)
    if not sys.stdout.isatty():
        return text
    return _coloured(text)


def _coloured(text: str) -> str:
    """Return JSON with colours for a terminal, if pygments is installed."""
    from importlib import import_module

    try:
        pygments, formatters, lexers = (
            import_module(f"pygments{part}") for part in ("", ".formatters", ".lexers")
        )
    except ImportError:
        return text
    return str(pygments.highlight(text, lexers.JsonLexer(), formatters.TerminalFormatter())).rstrip("\n")


def _listen(settings: Settings, topics: Sequence[str]) -> int:
    """Print events until interrupted."""
    from circus_core.client import subscribe

    for topic, payload in subscribe(_events_endpoint(settings), tuple(topics)):
        if settings.json:
            print(f'{{"topic": {_quoted(topic)}, "event": {payload.decode()}}}', flush=True)
        else:
            print(f"{topic!r}: {payload!r}", flush=True)
    return DONE


def _quoted(topic: bytes) -> str:
    import json

    return json.dumps(topic.decode())


def _events_endpoint(settings: Settings) -> str:
    """Return --endpoint, which means the events here, else what the daemon says, else the default."""
    from circus_core.client import DEFAULT_ENDPOINT, DEFAULT_PUBSUB_ENDPOINT, CircusClient

    if settings.is_endpoint_typed and settings.endpoint is not None:
        return settings.endpoint
    try:
        with CircusClient(settings.endpoint or DEFAULT_ENDPOINT, timeout=settings.timeout) as client:
            options = client.send("globaloptions")["options"]
            return str(options["pubsub_endpoint"])
    except (CallError, KeyError, TypeError):
        return DEFAULT_PUBSUB_ENDPOINT
