"""The options of a watcher as clients see them: names and values of `options`, `get` and `set` in 0.19."""

from __future__ import annotations

from typing import Any, Final

from circus_core.config.model import StreamConfig, WatcherConfig
from circus_core.config.options import Effect, Table

__all__ = ["options_as_shown", "replaces_processes"]

_SHOWN: Final = (
    "args",
    "close_child_stderr",
    "close_child_stdin",
    "close_child_stdout",
    "cmd",
    "copy_env",
    "executable",
    "final_exits",
    "gid",
    "graceful_timeout",
    "max_age",
    "max_age_variance",
    "max_retry",
    "numprocesses",
    "on_demand",
    "priority",
    "respawn",
    "send_hup",
    "shell",
    "shell_args",
    "singleton",
    "stop_children",
    "uid",
    "use_sockets",
    "warmup_delay",
    "working_dir",
)


def options_as_shown(config: WatcherConfig) -> dict[str, Any]:
    """Return the options by name, with every key of the section that the kernel does not know, sorted."""
    shown = {name: getattr(config, name) for name in _SHOWN} | dict(config.options)
    shown |= {
        "env": dict(config.env),
        "stop_signal": int(config.stop_signal),
        "stdout_stream_conf": _stream(config.stdout_stream),
        "stderr_stream_conf": _stream(config.stderr_stream),
    }
    return dict(sorted(shown.items()))


def replaces_processes(key: str) -> bool:
    """Tell whether a changed value needs new processes; an option of plugins does not."""
    family, dot, _ = key.partition(".")
    if key == "env" or key.startswith("rlimit_"):  # env stands in sections of its own
        return True
    if dot:
        return False  # hooks are asked anew, streams are redirected
    option = Table().find("watcher", family)
    return option is not None and option.effect is Effect.RESPAWN


def _stream(config: StreamConfig | None) -> dict[str, Any]:
    return {} if config is None else {"class": config.class_name, **config.options}
