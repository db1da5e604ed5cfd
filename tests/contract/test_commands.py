"""What every installed command owes."""

from __future__ import annotations

import pytest

from circus_core.testing import CommandContract, installed


@pytest.mark.parametrize("command_name", installed("circus.commands"))
class TestCommands(CommandContract):
    pass
