"""What every installed plugin owes."""

from __future__ import annotations

import pytest

from circus_core.testing import PluginContract, installed


@pytest.mark.parametrize("plugin_name", installed("circus.plugins"))
class TestPlugins(PluginContract):
    pass
