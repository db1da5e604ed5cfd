"""Files are read by what is installed: drivers by ending, hook plugins before them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from circus_core.config.model import Config
from circus_core.drivers import Drivers
from circus_core.errors import ConfigError
from circus_core.hookspecs import hookimpl
from circus_core.loading import load_config
from circus_core.plugins import HookPlugins

INI = "[watcher:web]\ncmd = sleep 1\n"


def loaded(path: Path, *plugins: object) -> Config:
    manager = HookPlugins()
    for number, plugin in enumerate(plugins):
        manager.add(plugin, f"plugin {number}")
    result = load_config(path, plugins=manager, drivers=Drivers())
    assert result.config is not None, result.problems
    return result.config


@pytest.mark.parametrize(
    "name", ["circus.ini", "circus.conf", "circus", "circus.ini.old", "circus.d", ".circusrc"]
)
def test_a_file_with_an_ending_that_nobody_claims_is_ini(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(INI)
    assert [w.name for w in loaded(path).watchers] == ["web"]


def test_a_toml_file_gives_the_same_watcher(tmp_path: Path) -> None:
    path = tmp_path / "circus.toml"
    path.write_text('["watcher:web"]\ncmd = "sleep 1"\n')
    assert [w.cmd for w in loaded(path).watchers] == ["sleep 1"]


class FromElsewhere:
    """Reads what has no file at all."""

    @hookimpl
    def read_config(self, path: Path) -> Mapping[str, Mapping[str, Any]] | None:
        if path.name != "service":
            return None
        return {"watcher:web": {"cmd": "sleep 1", "numprocesses": 3}, "socket:s": {"port": "0"}}


def test_a_plugin_reads_a_configuration_in_the_place_of_the_kernel(tmp_path: Path) -> None:
    config = loaded(tmp_path / "service", FromElsewhere())
    assert [(w.name, w.numprocesses) for w in config.watchers] == [("web", 3)]
    assert [s.port for s in config.sockets] == [0]


def test_a_plugin_leaves_other_files_to_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "circus.ini"
    path.write_text(INI)
    assert [w.numprocesses for w in loaded(path, FromElsewhere()).watchers] == [1]


class Refuses:
    @hookimpl
    def read_config(self, path: Path) -> None:
        raise ConfigError("the service does not answer; try again later")


def test_a_fault_of_a_plugin_that_the_user_can_mend_is_a_problem_like_others(tmp_path: Path) -> None:
    manager = HookPlugins()
    manager.add(Refuses(), "refuses")
    result = load_config(tmp_path / "service", plugins=manager, drivers=Drivers())
    assert result.config is None
    assert "the service does not answer; try again later" in str(result.problems[0])
