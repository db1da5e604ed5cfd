"""docs/hooks.md says what the specifications say, and these say all they should."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from circus_core.hookspecs import SPECS, hookimpl
from circus_core.plugins import HookPlugins

DOCS = Path(__file__).parents[2] / "docs"


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_hooks", DOCS / "generate_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = _load_generator()
HOOKS = [function for module in SPECS for function in generator.specifications(module)]
each_hook = pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)


def test_the_page_is_current() -> None:
    text = (DOCS / "hooks.md").read_text(encoding="utf-8")
    assert text == generator.page(), "run `python docs/generate_hooks.py`"


def test_every_specification_is_listed_by_its_module() -> None:
    manager = HookPlugins()
    assert {hook.__name__ for hook in HOOKS} == {name for name in vars(manager.hook) if name[0] != "_"}


@each_hook
def test_a_hook_has_its_section(hook: Callable[..., object]) -> None:
    text = (DOCS / "hooks.md").read_text(encoding="utf-8")
    assert f"\n### {hook.__name__}({', '.join(inspect.signature(hook).parameters)})\n" in text


@each_hook
def test_a_docstring_has_all_its_parts(hook: Callable[..., object]) -> None:
    parts = generator.parts(hook)
    assert list(parts) == ["Summary", *generator.PARTS]
    assert all(parts.values())


@each_hook
def test_a_docstring_explains_every_argument(hook: Callable[..., object]) -> None:
    names = [line.partition(":")[0] for line in generator.parts(hook)["Args"].split("\n") if line[0] != " "]
    assert names == (list(inspect.signature(hook).parameters) or ["none."])


@each_hook
def test_an_example_fits_its_hook(hook: Callable[..., object]) -> None:
    space: dict[str, Any] = {"hookimpl": hookimpl}
    exec(generator.parts(hook)["Example"], space)
    plugin = ModuleType("example")
    setattr(plugin, hook.__name__, space[hook.__name__])
    HookPlugins().add(plugin, "example")
