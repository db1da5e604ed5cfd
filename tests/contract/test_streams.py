"""What every installed stream owes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from circus_core.testing import StreamContract, installed

ELSEWHERE = frozenset({"JournaldStream", "SyslogStream"})
"""They need a server of their own; their packages' tests have one."""


@pytest.mark.parametrize("stream_name", sorted({*installed("circus.streams")} - ELSEWHERE))
class TestStreams(StreamContract):
    @pytest.fixture
    def stream_options(self, stream_name: str, tmp_path: Path) -> Mapping[str, object]:
        return {"filename": tmp_path / "output"}

    def written(self, folder: Path) -> bytes | None:
        file = folder / "output"
        return file.read_bytes() if file.exists() and not file.read_bytes().startswith(b"{") else None
