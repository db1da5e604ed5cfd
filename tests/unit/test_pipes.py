"""How a sink is built, and how a runner bounds what waits for it; no processes."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from circus_core.config.model import StreamConfig
from circus_core.errors import ConfigError, DriverError
from circus_core.output.sinks import JOB_COST, QUEUE_LIMIT, SinkRunner, build_sink
from circus_core.workers import Workers


class Collecting:
    def __init__(self, **options: object) -> None:
        self.options = options

    def __call__(self, chunk: Mapping[str, Any]) -> None:
        pass


class Demanding(Collecting):
    def __init__(self, *, color: str) -> None:
        super().__init__(color=color)


def _load(name: str) -> Any:
    classes: dict[str, Any] = {
        "default": Collecting,
        "Demanding": Demanding,
        "factory": lambda **options: print,
    }
    if name not in classes:
        raise DriverError(f"no stream {name!r}; install circus-core[streams]")
    return classes[name]


class TestBuilding:
    def test_the_class_gets_the_options_as_keywords(self) -> None:
        sink = build_sink(StreamConfig(options={"filename": "x", "max_bytes": "10"}), _load)
        assert isinstance(sink, Collecting)
        assert sink.options == {"filename": "x", "max_bytes": "10"}

    def test_a_function_that_returns_a_stream_is_as_good_as_a_class(self) -> None:
        assert build_sink(StreamConfig(class_name="factory"), _load) is print

    def test_a_ready_object_is_taken_as_it_is(self) -> None:
        ready: list[Any] = []
        assert build_sink(StreamConfig(class_name="none", stream=ready.append), _load) == ready.append

    def test_an_unknown_class_is_an_error_that_says_where(self) -> None:
        with pytest.raises(ConfigError, match=r"^watcher 'web': stdout_stream: no stream 'Nope'; install"):
            build_sink(StreamConfig(class_name="Nope"), _load, where="watcher 'web': stdout_stream")

    def test_refused_options_are_an_error_that_says_why(self) -> None:
        with pytest.raises(ConfigError, match=r"^stream: Demanding refused its options: .*color"):
            build_sink(StreamConfig(class_name="Demanding"), _load)

    def test_what_cannot_be_called_is_no_stream(self) -> None:
        with pytest.raises(ConfigError, match="must be callable with one mapping, got 'text'"):
            build_sink(StreamConfig(stream="text"), _load)  # type: ignore[arg-type]


def test_tiny_chunks_fill_the_queue_by_their_number() -> None:
    async def scenario() -> int:
        workers, gate = Workers(), threading.Event()
        runner = SinkRunner(lambda _: gate.wait(30), loop=asyncio.get_running_loop(), workers=workers)
        fed = 0
        while not runner.is_full:
            runner.feed({"data": b"."})
            fed += 1
        gate.set()
        assert await runner.close(timeout=30)
        workers.close()
        return fed

    assert asyncio.run(scenario()) <= QUEUE_LIMIT // JOB_COST + 1


def test_calls_wait_for_a_free_worker_thread(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> list[bytes]:
        workers, gate = Workers(limit=1), threading.Event()
        workers.submit(gate.wait, 30)
        got: list[bytes] = []
        runner = SinkRunner(
            lambda chunk: got.append(chunk["data"]), loop=asyncio.get_running_loop(), workers=workers
        )
        runner.feed({"data": b"1"})
        runner.feed({"data": b"2"})
        async with asyncio.timeout(30):
            while "worker threads are busy" not in runner.problem:
                await asyncio.sleep(0.001)
        gate.set()
        assert await runner.flush(timeout=30)
        assert runner.problem == ""
        workers.close()
        return got

    assert asyncio.run(scenario()) == [b"1", b"2"]
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


class NeverOpens(Collecting):
    def open(self) -> None:
        raise FileNotFoundError(2, "no such file or directory", "/nowhere/log")


def test_a_stream_that_never_opened_and_holds_nothing_closes_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> bool:
        workers = Workers()
        runner = SinkRunner(NeverOpens(), loop=asyncio.get_running_loop(), workers=workers)
        runner.open()
        while not runner.problem:
            await asyncio.sleep(0.001)
        async with asyncio.timeout(20):
            closed = await runner.close(timeout=3600)
        workers.close()
        return closed

    assert asyncio.run(scenario())
    assert [each.levelname for each in caplog.records] == ["WARNING"]
