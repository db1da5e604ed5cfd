"""The plugins of Circus 0.19 and their base class."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from circus_core import CircusPlugin, run_circus_plugin

__all__ = ["CircusPlugin", "get_plugin_cmd", "main"]


def main() -> NoReturn:
    """Run circus-plugin with the arguments of this process, then end it."""
    sys.exit(run_circus_plugin())


def get_plugin_cmd(
    config: Mapping[str, Any],
    endpoint: str,
    pubsub: str,
    check_delay: float,
    ssh_server: str | None,
    debug: bool = False,
    loglevel: str | None = None,
    logoutput: str | None = None,
) -> str:
    """Return the command line that runs a plugin, quoted for a shell.

    Args:
        config: `use` names the class, the rest is for the plugin; not changed. It is seen by everybody who
            may list processes.
        check_delay: told to the plugin, seconds.
        debug: have it log everything, whatever `loglevel` says.
    """
    pairs = ":::".join(f"{key}:{value}" for key, value in sorted(config.items()) if key != "use")
    words = [sys.executable, "-c", "from circus import plugins;plugins.main()"]
    words += ["--endpoint", endpoint, "--pubsub", pubsub, "--check-delay", str(check_delay)]
    words += ["--ssh", ssh_server] if ssh_server else []
    words += ["--config", pairs] if pairs else []
    level = "DEBUG" if debug else loglevel
    words += ["--log-level", level] if level else []
    words += ["--log-output", logoutput] if logoutput else []
    return shlex.join([*words, config["use"]])


if __name__ == "__main__":
    main()
