"""Options of a watcher in `add` and `set`: the JSON types that are accepted, and the texts of refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from circus_core.commands.properties import Properties
from circus_core.commands.signum import parse_signal
from circus_core.errors import MessageError

__all__ = ["check_new", "check_options", "convert_words", "settable", "suggest"]

Check = Callable[[str, Any], Any]


def _integer(key: str, value: Any) -> int:
    if isinstance(value, int):  # 0.19 takes true for 1
        return int(value)
    raise MessageError(f"'{key}' isn't an integer")


def _count(key: str, value: Any) -> int:
    return max(0, _integer(key, value))


def _number(key: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise MessageError(f"'{key}' isn't a number")


def _boolean(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise MessageError(f"'{key}' isn't a valid boolean")


def _text(key: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise MessageError(f"'{key}' isn't a string")


def _words(key: str, value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(word, str | int | float) for word in value):
        return [str(word) for word in value]
    return _text(key, value) or ""


def _account(key: str, value: Any) -> str | int | None:
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise MessageError(f"'{key}' isn't an integer or string")


def _user(key: str, value: Any) -> str | int | None:
    from circus_core.accounts import to_uid

    return _existing(to_uid, _account(key, value))


def _group(key: str, value: Any) -> str | int | None:
    from circus_core.accounts import to_gid

    return _existing(to_gid, _account(key, value))


def _existing(look_up: Callable[[str | int], int], account: str | int | None) -> str | int | None:
    if account is not None:
        try:
            look_up(account)
        except ValueError as error:
            raise MessageError(str(error)) from error
    return account


def _size(key: str, value: Any) -> int | str:
    """Accept a number of bytes, also with a unit: `1M`."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise MessageError(f"'{key}' isn't a number of bytes")


def _exits(key: str, value: Any) -> Any:
    """Accept a number, numbers in a list, and text as in a file."""
    numbers = value if isinstance(value, list) else [value]
    if isinstance(value, str) or all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        return value
    raise MessageError(f"'{key}' isn't a list of exit statuses")


def _texts(key: str, value: Any) -> Mapping[str, str]:
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    raise MessageError(f"'{key}' isn't a valid object")


def _stream(key: str, value: Any) -> Any:
    if value is None or (isinstance(value, dict) and isinstance(value.get("class"), str)):
        return value
    raise MessageError(f"'{key}' isn't a valid object")


def _limit(key: str, value: Any) -> Any:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise MessageError(f"'{key.removeprefix('rlimit_')}' rlimit value isn't a valid int")


def _signal(key: str, value: Any) -> int:
    import signal

    number = parse_signal(value)
    if number not in signal.valid_signals():
        raise MessageError("signal invalid")
    return number


def _hooks(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MessageError(f"'{key}' isn't a valid object")
    return {name: _hook(name, item) for name, item in value.items()}


def _hook(key: str, value: Any) -> str:
    """Accept `path`, `path,flag` and [path, flag]; return the second form."""
    if isinstance(value, str):
        return value
    match value:
        case [str(path), bool(flag)]:
            return f"{path},{str(flag).lower()}"
    raise MessageError(f"'{key}' isn't a string")


def _any(key: str, value: Any) -> Any:
    return value


_CHECKS: Final[Mapping[str, Check]] = {
    **dict.fromkeys(("max_retry", "max_age", "max_age_variance", "priority", "nice"), _integer),
    **dict.fromkeys(("warmup_delay", "graceful_timeout", "retry_in", "hook_timeout"), _number),
    **dict.fromkeys(("stop_children", "send_hup", "shell", "copy_env", "copy_path", "respawn"), _boolean),
    **dict.fromkeys(("singleton", "autostart", "use_sockets", "on_demand", "kill_descendants"), _boolean),
    **dict.fromkeys(("close_child_stdin", "close_child_stdout", "close_child_stderr"), _boolean),
    **dict.fromkeys(("working_dir", "cmd", "shell_args", "executable", "stdin_socket", "backend"), _text),
    **dict.fromkeys(("virtualenv", "virtualenv_py_ver"), _text),
    "uid": _user,
    "gid": _group,
    **dict.fromkeys(("stdout_stream", "stderr_stream"), _stream),
    "args": _words,
    "env": _texts,
    "hooks": _hooks,
    "numprocesses": _count,
    "stop_signal": _signal,
    "tail_bytes": _size,
    "final_exits": _exits,
}
_FAMILIES: Final[Mapping[str, Check]] = {
    "rlimit_": _limit,
    "hooks.": _hook,
    "stdout_stream.": _any,
    "stderr_stream.": _any,
}


def settable() -> list[str]:
    """Return the names of all options, sorted; of those with a part of one's own choice the beginning."""
    return sorted([*_CHECKS, *_FAMILIES])


def suggest(key: str) -> tuple[str, ...]:
    """Return the values that an option can have, as they are typed; nothing if there are too many."""
    check = _CHECKS.get(key)
    if check is _boolean:
        return ("true", "false")
    if check is _signal:
        return ("HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2")
    return ()


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options in the form that the configuration takes; MessageError for the first bad one."""
    return {key: _check(key)(key, value) for key, value in options.items()}


def check_new(options: Mapping[str, Any]) -> dict[str, Any]:
    """As check_options(), but let through what has a dot and may be an option of an installed package."""
    return {key: _check(key, otherwise=_any if "." in key else None)(key, options[key]) for key in options}


def _check(key: str, *, otherwise: Check | None = None) -> Check:
    if key in _CHECKS:
        return _CHECKS[key]
    for family, check in _FAMILIES.items():
        if key.startswith(family) and len(key) > len(family):
            return check
    if otherwise is None:
        raise MessageError(f"unknown key '{key}'")
    return otherwise


def convert_words(words: Mapping[str, str]) -> dict[str, Any]:
    """Make option values from what was typed, for a daemon that wants typed values.

    Raises:
        MessageError: an unknown option, or a value that it can't have.
    """
    return {key: _convert(key, text) for key, text in words.items()}


def _convert(key: str, text: str) -> Any:
    check = _check(key)
    if check in (_integer, _count, _limit):
        return _parse(int, key, text, "isn't an integer")
    if check is _number:
        return _parse(float, key, text, "isn't a number")
    if check is _boolean:
        return Properties({key: text}).boolean(key)
    if check is _signal:
        return _signal(key, text)
    if key in ("env", "hooks"):
        separator = "=" if key == "env" else ":"
        return dict(_pair(key, item, separator) for item in text.split(","))
    if check is _stream:
        raise MessageError(f"'{key}' needs a name behind a dot, such as {key}.class")
    if key.rpartition(".")[2] in ("max_bytes", "backup_count"):
        return _parse(int, key, text, "isn't an integer")
    return text


def _parse(convert: Callable[[str], Any], key: str, text: str, complaint: str) -> Any:
    try:
        return convert(text)
    except ValueError:
        raise MessageError(f"'{key}' {complaint}") from None


def _pair(key: str, item: str, separator: str) -> tuple[str, str]:
    name, found, value = item.partition(separator)
    if not found:
        raise MessageError(f"'{key}' must be NAME{separator}VALUE[,NAME{separator}VALUE...]")
    return name.strip(), value
