"""The sockets, real ones."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from circus_core.testing import until
from circus_watchdog.ancestry import nearest_ancestor
from circus_watchdog.ears import NotifyEar, UdpEar


@pytest.fixture(params=["file", "abstract"])
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "ear") if request.param == "file" else f"@circus-watchdog-test-{os.getpid()}"


@pytest.fixture
def ear(name: str) -> Iterator[NotifyEar]:
    ear = NotifyEar(name)
    yield ear
    ear.close()


def address(name: str) -> str:
    return f"\0{name[1:]}" if name.startswith("@") else name


def test_the_kernel_tells_who_has_sent_a_datagram(ear: NotifyEar, name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"WATCHDOG=1", address(name))
        sender.sendto(b"", address(name))
    assert list(ear.receive(10)) == [(b"WATCHDOG=1", os.getpid()), (b"", os.getpid())]
    assert list(ear.receive(10)) == []


def test_descriptors_that_come_along_are_closed(ear: NotifyEar, name: str) -> None:
    read, write = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write] * 30))
        sender.sendmsg([b"BARRIER=1"], [rights], 0, address(name))
    os.close(write)
    assert [data for data, _ in ear.receive(10)] == [b"BARRIER=1"]
    assert os.read(read, 1) == b""  # nobody has the other end any more
    os.close(read)


def test_a_file_that_nobody_listens_at_is_replaced_and_another_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ear"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(path))
    ear = NotifyEar(str(path))
    with pytest.raises(OSError, match="in use"):
        NotifyEar(str(path))
    assert path.stat().st_mode & 0o777 == 0o666
    ear.close()
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ear"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        NotifyEar(str(path))
    assert path.read_text() == "precious"


def test_the_file_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "ear"
    first = NotifyEar(str(path))
    path.unlink()
    second = NotifyEar(str(path))
    first.close()
    assert path.exists()
    second.close()


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_udp_is_heard_at_both_kinds_of_addresses(ip: str) -> None:
    if ip == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    ear = UdpEar(ip, 0)
    with socket.socket(ear.socket.family, socket.SOCK_DGRAM) as sender:
        for text in (b"1;2", b"x" * 3000):
            sender.sendto(text, ear.socket.getsockname()[:2])
    got: list[bytes] = []

    def have_come() -> bool:
        got.extend(ear.receive(10))
        return len(got) == 2

    until(have_come)
    assert got == [b"1;2", b"x" * 1025]
    with pytest.raises(OSError, match="in use"):
        UdpEar(ip, ear.socket.getsockname()[1])
    ear.close()


def test_a_child_belongs_to_the_nearest_ancestor_that_is_wanted() -> None:
    assert nearest_ancestor(os.getpid(), {os.getpid(), os.getppid()}) == os.getpid()
    assert nearest_ancestor(os.getpid(), {os.getppid()}) == os.getppid()
    assert nearest_ancestor(os.getpid(), set()) is None
    assert nearest_ancestor(2**22 + 1, {1}) is None
