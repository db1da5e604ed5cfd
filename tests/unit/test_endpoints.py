"""Whether only this machine can reach an endpoint, before it is bound."""

from __future__ import annotations

import pytest
import zmq

from circus_core.access.endpoints import is_local_tcp


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:5555", "tcp://127.8.9.10:*", "tcp://[::1]:5555"])
def test_no_port_is_taken_to_find_out_about_a_loopback_address(endpoint: str) -> None:
    with zmq.Context() as context:
        context.set(zmq.MAX_SOCKETS, 1)
        with context.socket(zmq.PAIR):  # there can be no other
            assert is_local_tcp(context, endpoint)


@pytest.mark.parametrize(
    ("endpoint", "is_local"), [("tcp://localhost:5555", True), ("tcp://0.0.0.0:5555", False)]
)
def test_of_other_addresses_and_names_it_is_found_out(endpoint: str, is_local: bool) -> None:
    with zmq.Context() as context:
        assert is_local_tcp(context, endpoint) is is_local
