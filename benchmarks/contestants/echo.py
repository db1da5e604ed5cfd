"""The least that an answer takes: a ROUTER of ZeroMQ in Python that sends back what it gets."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass

import zmq

from benchmarks.contestants import Running, started
from benchmarks.work import Work
from circus_core.testing import free_port

__all__ = ["ECHO", "ECHO_ON_ASYNCIO", "Echo"]

_SOCKET = """\
import sys, zmq
router = zmq.Context().socket(zmq.ROUTER)
router.bind(sys.argv[1])
"""
_LOOP = """\
while True:
    router.send_multipart(router.recv_multipart())
"""
_ON_ASYNCIO = """\
import asyncio
def answer():
    while router.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        router.send_multipart(router.recv_multipart())
loop = asyncio.new_event_loop()
loop.add_reader(router.getsockopt(zmq.FD), answer)
loop.call_soon(answer)
loop.run_forever()
"""


@dataclass(frozen=True, slots=True)
class Echo:
    """Runs nothing but itself, whatever it is asked for."""

    name: str
    program: str

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return f"libzmq {zmq.zmq_version()}, pyzmq {zmq.pyzmq_version()}"

    def running(self, work: Work) -> AbstractContextManager[Running]:
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        return started([sys.executable, "-c", self.program, endpoint], work, endpoint=endpoint)


ECHO = Echo("zmq echo", _SOCKET + _LOOP)
ECHO_ON_ASYNCIO = Echo("zmq echo, asyncio", _SOCKET + _ON_ASYNCIO)
