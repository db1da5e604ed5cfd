"""What every installed plugin owes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from circus_core.testing import PluginContract, installed

OPTIONS: Mapping[str, Mapping[str, object]] = {
    "prometheus": {"port": 0},
    "resource_watcher": {"watcher": "Two Words"},
}
"""What some can't be without, and what keeps them from a port that others may use."""


@pytest.mark.parametrize("plugin_name", installed("circus.plugins"))
class TestPlugins(PluginContract):
    @pytest.fixture
    def plugin_options(self, plugin_name: str) -> Mapping[str, object]:
        return OPTIONS.get(plugin_name, {})
