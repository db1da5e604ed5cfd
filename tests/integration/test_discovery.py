"""Who asks by datagram is told where the daemon is, if that was asked for."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest

from circus_core.config.model import ArbiterConfig
from circus_core.testing import free_port
from tests.controlled import Served

GROUP = "237.219.251.97"


@pytest.fixture
def port() -> int:
    return free_port(socket.SOCK_DGRAM)


@pytest.fixture
def served(port: int) -> Iterator[Served]:
    with Served(config=ArbiterConfig(multicast_endpoint=f"udp://{GROUP}:{port}")) as running:
        yield running


@pytest.fixture
def asker() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        loopback = struct.pack("=4s4si", bytes(4), socket.inet_aton("127.0.0.1"), 0)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        asking.settimeout(10)
        yield asking


@pytest.mark.parametrize("address", [GROUP, "127.0.0.1"])
@pytest.mark.parametrize("question", [b'""', b"", b"x" * 5000])
def test_any_question_to_the_group_or_to_this_machine_is_answered(
    served: Served, asker: socket.socket, port: int, address: str, question: bytes
) -> None:
    asker.sendto(question, (address, port))
    assert json.loads(asker.recv(1000)) == {"endpoint": served.controller.endpoint}


def test_several_daemons_share_the_port(served: Served, asker: socket.socket, port: int) -> None:
    with Served(config=ArbiterConfig(multicast_endpoint=f"udp://{GROUP}:{port}")) as other:
        asker.sendto(b"", (GROUP, port))
        answers = {json.loads(asker.recv(1000))["endpoint"] for _ in range(2)}
        assert answers == {served.controller.endpoint, other.controller.endpoint}


def test_nobody_is_answered_unless_it_was_asked_for(asker: socket.socket, port: int) -> None:
    with Served():
        asker.connect(("127.0.0.1", port))
        asker.send(b"")
        with pytest.raises(ConnectionRefusedError):
            asker.recv(1000)


def test_an_address_that_is_no_group_is_warned_about_and_the_daemon_runs(
    caplog: pytest.LogCaptureFixture, port: int
) -> None:
    with Served(config=ArbiterConfig(multicast_endpoint=f"udp://127.0.0.1:{port}")) as served:
        assert served.controller.endpoint.startswith("tcp://")
    assert "no discovery on udp://127.0.0.1" in caplog.text
    assert "must be from 224.0.0.0 to 239.255.255.255" in caplog.text
