"""The whole command table on default endpoints: both circusctl against both circusd, as text and as JSON.

That the circusctl of 0.19 passes with its own daemon shows that the table tells facts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controlled import kernel_commands
from tests.integration.daemon import until
from tests.peers.circus019 import Done, House, Network, Whose, matches, needs_peer, network
from tests.peers.command_table import ROWS, Row

pytestmark = pytest.mark.slow

OTHERS = {"events", "listen", "quit"}
"""Commands that have tests of their own, because they don't just answer."""

PAIRS: dict[str, tuple[Whose, Whose]] = {
    "ours_to_ours": ("ours", "ours"),
    "old_to_ours": ("0.19", "ours"),
    "ours_to_old": ("ours", "0.19"),
    "old_to_old": ("0.19", "0.19"),
}
"""Whose circusctl talks to whose circusd."""


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(scope="module", params=list(PAIRS.values()), ids=list(PAIRS))
def pair(
    request: pytest.FixtureRequest, net: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Whose, House]]:
    ctl, daemon = request.param
    if "0.19" in (ctl, daemon) and needs_peer.args[0]:
        pytest.skip(needs_peer.kwargs["reason"])
    with House(tmp_path_factory.mktemp("house"), net, daemon) as house:
        yield ctl, house


def is_for(row: Row, ctl: Whose, daemon: Whose) -> bool:
    return row.ctl in (None, ctl) and row.daemon in (None, daemon)


def type_in(row: Row, ctl: Whose, house: House, *options: str) -> Done:
    """Run the command line of a row in a house where everything that it needs exists."""
    new = house.new() if "{new}" in row.words else ""
    done = house.ctl(ctl, *options, *row.words.format(new=new, free=house.free(), file=house.ini).split())
    if row.words.startswith("restart") and "{new}" not in row.words:
        until(lambda: "web: active" in house.ctl("ours", "--timeout", "1", "status").out, house.log)
    return done


@pytest.mark.parametrize("row", ROWS, ids=[row.words for row in ROWS])
def test_a_command_line_prints_what_it_always_printed(row: Row, pair: tuple[Whose, House]) -> None:
    ctl, house = pair
    if not is_for(row, ctl, house.whose):
        pytest.skip("makes no sense between these two")
    done = type_in(row, ctl, house)
    error = row.old_error + "\n" if ctl == "0.19" and row.old_error is not None else row.error
    assert matches(row.out, done.out), done
    assert matches(error, done.error), done
    assert done.status == row.status, done


@pytest.mark.parametrize("row", [row for row in ROWS if row.status != 1], ids=lambda row: row.words)
def test_the_json_has_the_keys_it_always_had(row: Row, pair: tuple[Whose, House]) -> None:
    ctl, house = pair
    if ctl == house.whose == "0.19":
        pytest.skip("the text has shown that the table tells facts")
    if not is_for(row, ctl, house.whose):
        pytest.skip("makes no sense between these two")
    done = type_in(row, ctl, house, "--json")
    reply = done.json()
    if row.is_local:
        assert set(row.keys) <= set(reply), reply
    elif row.status == 0:
        assert reply["status"] not in ("error", ""), reply
        assert {"status", "time", "id", *row.keys} <= set(reply), reply
        assert done.status == 0
    else:
        assert {"status", "time", "id", "reason", "errno", "tb"} == set(reply), reply
        assert done.status == (row.status if ctl == "ours" else 0)  # 0.19 hid errors behind 0
    assert done.error == ""


def test_every_installed_command_has_a_row() -> None:
    assert {row.command for row in ROWS} | OTHERS >= set(kernel_commands())
