"""Real sockets of every family, bound, shared, replaced, waited for."""

import asyncio
import contextlib
import os
import select
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circus_core.config.model import SocketConfig
from circus_core.errors import AlreadyExistError, SocketError
from circus_core.sockets import CircusSocket, ConnectionWatch, Sockets
from circus_core.testing import free_port

IPV6 = (
    socket.has_ipv6 and Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text()
)
DEADLINE = 60.0


def _config(name: str = "web", **options: Any) -> SocketConfig:
    defaults: dict[str, Any] = {"name": name, "host": "127.0.0.1", "port": 0}
    return SocketConfig(**(defaults | options))


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o022)
    yield 0o022
    assert os.umask(before) == 0o022, "a socket left its umask behind"


class TestBinding:
    def test_a_stream_socket_listens_and_knows_its_port(self) -> None:
        with CircusSocket.load_from_config(_config()) as web:
            web.bind_and_listen()
            assert web.port
            assert web.location == f"127.0.0.1:{web.port}"
            assert str(web) == f"socket 'web' at {web.location}"
            with socket.create_connection(("127.0.0.1", web.port)):
                pass

    def test_the_keywords_of_0_19_still_make_a_socket(self) -> None:
        with CircusSocket("web", "127.0.0.1", 0, socket.AF_INET, socket.SOCK_STREAM, 0, 7) as web:
            assert (web.name, web.backlog, web.socktype, web.is_unix) == ("web", 7, socket.SOCK_STREAM, False)
            assert (web.umask, web.replace, web.interface, web.so_reuseport) == (None, False, None, False)

    @pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET", "sock_stream"])
    def test_each_unix_type_carries_data(self, kind: str, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        with CircusSocket.load_from_config(_config(path=path, type=kind, blocking=True)) as ours:
            ours.bind_and_listen()
            assert (ours.host, ours.port, ours.location) == (None, None, repr(path))
            with socket.socket(socket.AF_UNIX, ours.type) as client:
                client.connect(path)
                client.send(b"hello")
                if kind == "SOCK_DGRAM":
                    assert ours.recv(10) == b"hello"
                else:
                    with ours.accept()[0] as peer:
                        assert peer.recv(10) == b"hello"

    def test_a_datagram_socket_receives(self) -> None:
        with CircusSocket.load_from_config(_config(type="SOCK_DGRAM", blocking=True)) as ours:
            ours.bind_and_listen()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"hello", ("127.0.0.1", ours.port))
            assert ours.recv(10) == b"hello"

    @pytest.mark.root
    def test_root_gets_a_raw_socket(self) -> None:
        with CircusSocket.load_from_config(_config(type="SOCK_RAW", proto="icmp")) as ours:
            ours.bind_and_listen()
            assert ours.proto == socket.IPPROTO_ICMP
            assert ours.port == 0

    @pytest.mark.skipif(not IPV6, reason="no IPv6 on the loopback device")
    def test_an_ipv6_socket_listens_on_a_name_and_on_a_literal(self) -> None:
        for host in ("::1", "localhost"):
            with CircusSocket.load_from_config(_config(family="af_inet6", host=host)) as ours:
                ours.bind_and_listen()
                assert ours.location == f"[::1]:{ours.port}"
                with socket.create_connection(("::1", ours.port or 0)):
                    pass

    def test_a_kind_the_machine_lacks_is_a_sentence(self) -> None:
        with pytest.raises(
            SocketError, match=r"^socket 'web': 127.0.0.1:0: .*not supported; this machine has no"
        ):
            CircusSocket.load_from_config(_config(type="SOCK_RDM"))

    def test_the_address_is_of_the_wanted_family(self) -> None:
        with pytest.raises(
            SocketError, match=r"^socket 'web': host '::1' has no AF_INET address; set another"
        ):
            CircusSocket(name="web", host="::1")
        with pytest.raises(SocketError, match=r"host '127\.0\.0\.1' has no AF_INET6 address"):
            CircusSocket(name="web", host="127.0.0.1", family=socket.AF_INET6)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"host": ""}, "host must not be empty; write 0.0.0.0"),
            ({"host": "no.such.host.invalid"}, "host 'no.such.host.invalid' has no AF_INET address"),
            ({"host": "a" * 300}, "host 'a+' has no AF_INET address"),
            ({"port": 65536}, "port must be 0 to 65535, got 65536"),
            ({"family": "AF_FOO"}, "family must be one of AF_INET, AF_INET6, AF_UNIX, got 'AF_FOO'"),
            ({"family": "AF_UNIX"}, "family AF_UNIX needs a path"),
            ({"type": "STREAM"}, "type must be one of SOCK_STREAM, .*, got 'STREAM'"),
            ({"proto": "nothing"}, "proto must be a protocol such as tcp, udp or icmp, got 'nothing'"),
            ({"interface": "nosuch0"}, "interface 'nosuch0': .*network device"),
        ],
    )
    def test_a_wrong_option_is_a_sentence(self, options: dict[str, Any], text: str) -> None:
        with pytest.raises(SocketError, match=f"^socket 'web': {text}"):
            CircusSocket.load_from_config(_config(**options))

    def test_a_taken_address_is_a_sentence(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with (
                CircusSocket.load_from_config(_config(port=port)) as ours,
                pytest.raises(
                    SocketError, match=f"^socket 'web': 127.0.0.1:{port}: address already in use; stop"
                ),
            ):
                ours.bind_and_listen()

    def test_an_address_of_another_machine_is_a_sentence(self) -> None:
        with (
            CircusSocket.load_from_config(_config(host="192.0.2.1")) as ours,
            pytest.raises(
                SocketError, match=r"192\.0\.2\.1:0: cannot assign requested address; no network interface"
            ),
        ):
            ours.bind_and_listen()

    @pytest.mark.root
    def test_a_low_port_without_the_right_is_a_sentence(self) -> None:
        code = (
            "import os; from circus_core.sockets import CircusSocket\n"
            "s = CircusSocket(name='web', host='127.0.0.1', port=80); os.setgroups([]); os.setuid(65534)\n"
            "open('/proc/sys/net/ipv4/ip_unprivileged_port_start').read().strip() == '1024' or exit('free')\n"
            "try: s.bind_and_listen()\n"
            "except Exception as error: print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.stderr.strip() == "free":
            pytest.skip("low ports need no right here")
        assert done.stdout.startswith(
            "socket 'web': 127.0.0.1:80: permission denied; ports below 1024 need root"
        )

    def test_sockets_are_inheritable_and_not_blocking_unless_asked(self) -> None:
        with (
            CircusSocket.load_from_config(_config()) as ours,
            CircusSocket.load_from_config(_config(blocking=True)) as patient,
        ):
            ours.bind_and_listen()
            patient.bind_and_listen()
            assert ours.get_inheritable()
            assert os.get_blocking(ours.fileno()) is False
            assert os.get_blocking(patient.fileno()) is True
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)

    @pytest.mark.root
    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="SO_BINDTODEVICE is of Linux")
    def test_an_interface_is_bound_to(self) -> None:
        with CircusSocket.load_from_config(_config(host="0.0.0.0", interface="lo")) as ours:
            ours.bind_and_listen()
            assert ours.getsockopt(socket.SOL_SOCKET, 25, 16).rstrip(b"\0") == b"lo"
            with socket.create_connection(("127.0.0.1", ours.port or 0)):
                pass

    def test_a_child_accepts_on_the_descriptor(self) -> None:
        code = (
            "import socket, sys; socket.socket(fileno=int(sys.argv[1])).accept()[0].send(b'from the child')"
        )
        with CircusSocket.load_from_config(_config(blocking=True)) as web:
            web.bind_and_listen()
            number = web.fileno()
            with (
                subprocess.Popen([sys.executable, "-c", code, str(number)], pass_fds=[number]),
                socket.create_connection(("127.0.0.1", web.port or 0), timeout=DEADLINE) as client,
            ):
                assert client.recv(100) == b"from the child"


class TestUnixPath:
    @pytest.mark.parametrize(("mask", "mode"), [(0o007, 0o770), (0o077, 0o700), (0, 0o777), (None, 0o755)])
    def test_the_umask_gives_the_mode(self, mask: int | None, mode: int, tmp_path: Path, umask: int) -> None:
        path = tmp_path / "s"
        with CircusSocket.load_from_config(_config(path=str(path), umask=mask)) as ours:
            ours.bind_and_listen()
            assert stat.S_IMODE(path.stat().st_mode) == mode

    def test_close_removes_the_path_it_bound(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        ours = CircusSocket.load_from_config(_config(path=str(path)))
        ours.bind_and_listen()
        assert path.is_socket()
        ours.close()
        ours.close()
        assert not path.exists()

    def test_close_leaves_a_path_it_never_bound(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.touch()
        CircusSocket.load_from_config(_config(path=str(path))).close()
        assert path.exists()

    def test_close_leaves_a_path_that_someone_else_has_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        ours = CircusSocket.load_from_config(_config(path=str(path)))
        ours.bind_and_listen()
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            ours.close()
            assert path.is_socket()

    def test_an_existing_path_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.write_text("mine")
        with (
            CircusSocket.load_from_config(_config("ux", path=str(path))) as ours,
            pytest.raises(
                SocketError, match=r"^socket 'ux': '.*/s' already exists; set replace = True if only"
            ),
        ):
            ours.bind_and_listen()
        assert path.read_text() == "mine"

    def test_replace_takes_over_an_existing_path(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        with CircusSocket.load_from_config(_config(path=str(path), replace=True)) as ours:
            ours.bind_and_listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    def test_a_path_too_long_or_in_no_folder_is_a_sentence(self, tmp_path: Path) -> None:
        with (
            CircusSocket.load_from_config(_config(path=str(tmp_path / ("x" * 120)))) as long,
            pytest.raises(SocketError, match="path is too long; choose one of at most 107 bytes"),
        ):
            long.bind_and_listen()
        with (
            CircusSocket.load_from_config(_config(path=str(tmp_path / "none" / "s"))) as nowhere,
            pytest.raises(SocketError, match="no such file or directory; make the folder first"),
        ):
            nowhere.bind_and_listen()

    def test_an_abstract_address_has_no_file(self) -> None:
        with CircusSocket(name="ux", path=f"\0circus-test-{os.getpid()}") as ours:
            ours.bind_and_listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(ours.getsockname())


class TestCollection:
    def test_names_are_found_in_any_case(self) -> None:
        sockets = Sockets([_config("web")])
        try:
            assert sockets["WEB"] is sockets["web"]
            assert "Web" in sockets
            assert sockets.fileno("WEB") == sockets["web"].fileno()
            with pytest.raises(AlreadyExistError, match="socket 'web' already exists"):
                sockets.add(_config("Web"))
            with pytest.raises(SocketError, match="no socket 'other'; known: web"):
                sockets.fileno("other")
            sockets.remove("WEB")
            assert not sockets
        finally:
            sockets.close_all()

    def test_all_or_none_are_bound_and_a_second_try_works(self, tmp_path: Path) -> None:
        taken, path = tmp_path / "taken", tmp_path / "s"
        taken.touch()
        sockets = Sockets([_config("a", path=str(path)), _config("b"), _config("c", path=str(taken))])
        try:
            with pytest.raises(SocketError, match=r"^socket 'c': .* already exists"):
                sockets.bind_all()
            assert not path.exists()
            assert not any(each.is_bound for each in sockets.values())
            taken.unlink()
            sockets.bind_all()
            assert all(each.is_bound for each in sockets.values())
            assert path.is_socket()
        finally:
            sockets.close_all()
        assert not path.exists()

    def test_a_failed_addition_leaves_what_was_bound_before(self, tmp_path: Path) -> None:
        taken = tmp_path / "taken"
        taken.touch()
        sockets = Sockets([_config("a")])
        try:
            sockets.bind_all()
            before = sockets["a"], sockets["a"].port
            sockets.add(_config("c", path=str(taken)))
            with pytest.raises(SocketError, match="already exists"):
                sockets.bind_all()
            assert (sockets["a"], sockets["a"].port) == before
            assert sockets["a"].is_bound
        finally:
            sockets.close_all()

    def test_a_socket_that_cannot_be_made_leaves_none_open(self) -> None:
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(SocketError, match="needs a path"):
            Sockets([_config("a"), _config("b", family="AF_UNIX")])
        assert set(os.listdir("/proc/self/fd")) == before

    def test_the_listing_is_sorted_by_descriptor(self, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        sockets = Sockets([_config("web", backlog=5), _config("ux", path=path)])
        try:
            sockets.bind_all()
            web, unix = sockets["web"], sockets["ux"]
            assert sockets.listing() == [
                {"fd": web.fileno(), "name": "web", "backlog": 5, "host": "127.0.0.1", "port": web.port},
                {"fd": unix.fileno(), "name": "ux", "backlog": 2048, "path": path},
            ]
        finally:
            sockets.close_all()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT here")
class TestReusePort:
    def test_every_fresh_socket_gets_its_share_of_the_connections(self) -> None:
        port = free_port()
        sockets = Sockets([_config(so_reuseport=True, port=port)])
        try:
            sockets.bind_all()
            assert not sockets["web"].is_bound
            assert sockets.listing()[0]["port"] == port
            with contextlib.ExitStack() as stack:
                private = [stack.enter_context(sockets.fresh("WEB")) for _ in range(4)]
                for _ in range(200):
                    stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                accepted = _accept(200, *private)
            assert min(accepted) > 0
        finally:
            sockets.close_all()

    def test_a_fresh_socket_of_a_shared_one_shares_it(self) -> None:
        sockets = Sockets([_config()])
        try:
            sockets.bind_all()
            with sockets.fresh("web") as again:
                assert again.fileno() != sockets.fileno("web")
                assert (again.port, again.is_bound) == (sockets["web"].port, True)
                assert again.get_inheritable()
            with socket.create_connection(("127.0.0.1", sockets["web"].port or 0)):
                _accept(1, sockets["web"])
        finally:
            sockets.close_all()

    def test_a_unix_socket_is_shared_and_its_path_outlives_the_copy(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        sockets = Sockets([_config(path=str(path), so_reuseport=True)])
        try:
            sockets.bind_all()
            sockets.fresh("web").close()
            assert path.is_socket()
        finally:
            sockets.close_all()


class TestConnectionWatch:
    def test_two_watchers_wait_for_one_socket_and_each_hears_once(self) -> None:
        async def scenario() -> list[str]:
            loop = asyncio.get_running_loop()
            sockets = Sockets([_config("web"), _config("admin")])
            first, second = ConnectionWatch(loop, sockets), ConnectionWatch(loop, sockets)
            third = ConnectionWatch(loop, sockets)
            heard: list[str] = []
            try:
                sockets.bind_all()
                first.watch(["web", "admin"], lambda: heard.append("first"))
                second.watch(["WEB"], lambda: heard.append("second"))
                third.watch(["admin"], lambda: heard.append("third"))
                with socket.create_connection(("127.0.0.1", sockets["web"].port or 0)):
                    await _until(lambda: len(heard) >= 2)
                    await _several_turns()
                assert third.is_armed
                assert not first.is_armed
            finally:
                for each in (first, second, third):
                    each.cancel()
                sockets.close_all()
            return sorted(heard)

        assert asyncio.run(scenario()) == ["first", "second"]

    def test_a_connection_that_nobody_accepted_is_reported_again(self) -> None:
        async def scenario() -> None:
            sockets = Sockets([_config("web")])
            watch = ConnectionWatch(asyncio.get_running_loop(), sockets)
            heard: list[int] = []
            try:
                sockets.bind_all()
                with socket.create_connection(("127.0.0.1", sockets["web"].port or 0)):
                    for round_ in range(3):
                        watch.watch(["web"], lambda: heard.append(1))
                        await _until(lambda wanted=round_ + 1: len(heard) == wanted)  # type: ignore[misc]
            finally:
                watch.cancel()
                sockets.close_all()

        asyncio.run(scenario())

    def test_nothing_is_heard_after_cancel_and_no_descriptor_stays(self) -> None:
        async def scenario() -> None:
            sockets = Sockets([_config("web")])
            watch = ConnectionWatch(asyncio.get_running_loop(), sockets)
            heard: list[int] = []
            try:
                sockets.bind_all()
                before = set(os.listdir("/proc/self/fd"))
                watch.watch(["web"], lambda: heard.append(1))
                with socket.create_connection(("127.0.0.1", sockets["web"].port or 0)):
                    watch.cancel()
                    watch.cancel()
                    await _several_turns()
                assert heard == []
                assert set(os.listdir("/proc/self/fd")) == before
            finally:
                sockets.close_all()

        asyncio.run(scenario())

    def test_a_socket_per_worker_cannot_be_waited_for(self) -> None:
        async def scenario() -> None:
            sockets = Sockets([_config("web", so_reuseport=True)])
            try:
                sockets.bind_all()
                watch = ConnectionWatch(asyncio.get_running_loop(), sockets)
                with pytest.raises(
                    SocketError, match="on_demand needs a bound socket without so_reuseport, got 'web'"
                ):
                    watch.watch(["web"], lambda: None)
            finally:
                sockets.close_all()

        if hasattr(socket, "SO_REUSEPORT"):
            asyncio.run(scenario())


def _accept(count: int, *listeners: socket.socket) -> list[int]:
    """Accept so many connections, of sockets that do not block; return how many came to each."""
    accepted = [0] * len(listeners)
    while sum(accepted) < count:
        ready, _, _ = select.select(listeners, [], [], DEADLINE)
        assert ready, f"no more than {accepted} came"
        for listener in ready:
            listener.accept()[0].close()
            accepted[listeners.index(listener)] += 1
    return accepted


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


async def _several_turns() -> None:
    """Let the loop look at its descriptors a few times."""
    for _ in range(20):
        await asyncio.sleep(0)
