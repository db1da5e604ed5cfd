"""Which identity is asked for, without taking it."""

from __future__ import annotations

import os

import pytest

from circus_core.backends.identity import Identity, resolve_identity
from circus_core.errors import SpawnError


@pytest.mark.parametrize(
    ("identity", "options"),
    [
        (Identity(1, 2, "joe"), ["--reuid=1", "--regid=2", "--init-groups"]),
        (Identity(1, 2, None), ["--reuid=1", "--regid=2", "--clear-groups"]),
        (Identity(None, 2, None), ["--regid=2", "--keep-groups"]),
    ],
)
def test_setpriv_is_told_every_part(identity: Identity, options: list[str]) -> None:
    assert identity.setpriv_options() == options


def test_the_own_identity_is_no_change() -> None:
    assert resolve_identity(None, None) is None
    assert resolve_identity(os.geteuid(), None) is None
    assert resolve_identity(os.geteuid(), os.getegid()) is None
    assert resolve_identity(None, os.getegid()) is None


@pytest.mark.root
def test_a_user_brings_its_primary_group() -> None:
    nobody = resolve_identity(65534, None)
    assert nobody is not None
    assert nobody.user == "nobody"
    assert nobody.gid is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may become anybody")
def test_only_root_becomes_somebody_else() -> None:
    with pytest.raises(SpawnError, match="only root can start a process as uid 0"):
        resolve_identity(0, None)
