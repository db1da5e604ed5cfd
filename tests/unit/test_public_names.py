"""The promised names exist, and nothing is imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import circus_core


@pytest.mark.parametrize("name", circus_core.__all__)
def test_a_promised_name_can_be_imported(name: str) -> None:
    assert getattr(circus_core, name) is not None


def test_every_promised_name_has_a_home() -> None:
    assert len(set(circus_core.__all__)) == len(circus_core.__all__)
    assert set(circus_core.__all__) == set(circus_core._HOMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        circus_core.nothing  # noqa: B018


def test_importing_the_package_imports_no_other_module_of_it() -> None:
    code = "import sys, circus_core; print([m for m in sys.modules if m.startswith('circus_core.')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
