"""The original statsd, run by node, asked over its management port."""

from __future__ import annotations

import ast
import re
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from circus_core.testing import free_port, until

__all__ = ["Statsd", "free_udp_port", "needs_statsd"]

PROGRAM = Path(__file__).parents[3] / ".venv-peers" / "statsd" / "node_modules" / "statsd" / "stats.js"

needs_statsd = pytest.mark.skipif(
    not (PROGRAM.exists() and shutil.which("node")), reason="there is no statsd to send to: run `make peers`"
)


def free_udp_port() -> int:
    return free_port(socket.SOCK_DGRAM)


class Statsd:
    """A server that keeps all it gets; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.port = free_udp_port()
        self._management = free_port()
        self._log = folder / "statsd.log"
        self._config = folder / "statsd.js"
        self._config.write_text(
            f'{{ port: {self.port}, address: "127.0.0.1", mgmt_port: {self._management}, '
            'mgmt_address: "127.0.0.1", flushInterval: 3600000, backends: [] }\n'
        )

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(["node", PROGRAM, self._config], stdout=log, stderr=log)
        until(lambda: "server is up" in self._log.read_text() and self._answers(), self._log.read_text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def counters(self) -> dict[str, float]:
        return self._values("counters")

    def gauges(self) -> dict[str, float]:
        return self._values("gauges")

    def timers(self) -> dict[str, list[float]]:
        return self._values("timers")

    def bad_lines(self) -> float:
        return self.counters()["statsd.bad_lines_seen"]

    def _values(self, command: str) -> dict[str, Any]:
        """Ask; what comes is JavaScript, which quotes only names that need it."""
        text = re.sub(r"([{,]\s*)(\w+):", r"\1'\2':", self._ask(command))
        values: dict[str, Any] = ast.literal_eval(text)
        return values

    def _ask(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self._management), timeout=10) as connection:
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while not answer.endswith(b"END\n\n"):
                more = connection.recv(65536)
                assert more, answer
                answer += more
        return answer.decode().removesuffix("END\n\n")

    def _answers(self) -> bool:
        try:
            return bool(self._ask("counters"))
        except OSError:
            return False
