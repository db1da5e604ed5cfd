"""What the daemon says, as metrics of the Prometheus client. Pure: replies come in, families go out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from circus_prometheus.counts import EventCounts

__all__ = ["Page", "Reading", "event_name"]

Family = GaugeMetricFamily | CounterMetricFamily
Known = Mapping[str, Any]

_STATES: Final = ("active", "starting", "stopping", "stopped")
_SIZE: Final = re.compile(r"([0-9.]+)([BKMGTPEZY])")
_CPU_TIME: Final = re.compile(r"([0-9]+):([0-9.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the daemon said.

    Attributes:
        is_up: it answered.
        took: seconds until it had.
        watchers: as `describe` has them.
        daemon: the reply of `dstats`.
    """

    is_up: bool
    took: float
    watchers: Sequence[Known] = ()
    daemon: Known = field(default_factory=dict)


def event_name(watcher: str) -> str:
    """Return a watcher's name as events have it."""
    return watcher.lower().replace(" ", "_")


class Page(Collector):
    """All metrics at one moment."""

    def __init__(self, reading: Reading, counts: EventCounts) -> None:
        self._reading = reading
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        reading = self._reading
        yield GaugeMetricFamily("circus_up", "Whether circusd has answered.", value=float(reading.is_up))
        took = "Time that circusd took to answer, when it was asked last."
        yield GaugeMetricFamily("circus_reading_duration_seconds", took, value=reading.took)
        yield from _daemon(reading.daemon)
        yield from _watchers(reading.watchers)
        yield from _processes(reading.watchers)
        yield from _counted(self._counts, reading.watchers)


# -- the daemon --------------------------------------------------------------------------------------------


_Value = Callable[[Known], float | None]


def _of_info(key: str, read: Callable[[object], float | None]) -> _Value:
    return lambda told: read((told.get("info") or {}).get(key))


def _plain(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _bytes(text: object) -> float | None:
    match = _SIZE.fullmatch(str(text))
    return None if match is None else float(match[1]) * 1024 ** "BKMGTPEZY".index(match[2])


def _cpu_time(text: object) -> float | None:
    match = _CPU_TIME.fullmatch(str(text))
    return None if match is None else 60 * int(match[1]) + float(match[2])


def _counter_of(key: str) -> _Value:
    return lambda told: _plain(told.get(key))


_OF_DAEMON: Final[Sequence[tuple[type[Family], str, str, _Value]]] = (
    (GaugeMetricFamily, "start_time_seconds", "When circusd was started.", _of_info("create_time", _plain)),
    (CounterMetricFamily, "cpu_seconds", "Cpu time of circusd.", _of_info("ctime", _cpu_time)),
    (
        GaugeMetricFamily,
        "resident_memory_bytes",
        "Resident memory of circusd, to three digits.",
        _of_info("mem_info1", _bytes),
    ),
    (
        CounterMetricFamily,
        "events_dropped",
        "Events that did not reach all subscribers.",
        _counter_of("events_dropped"),
    ),
    (
        CounterMetricFamily,
        "replies_dropped",
        "Replies that clients did not take.",
        _counter_of("replies_dropped"),
    ),
    (
        CounterMetricFamily,
        "requests_refused",
        "Requests beyond what is worked on at a time.",
        _counter_of("requests_refused"),
    ),
    (
        CounterMetricFamily,
        "output_dropped_bytes",
        "Output of processes that was lost.",
        _counter_of("output_bytes_dropped"),
    ),
)


def _daemon(told: Known) -> Iterator[Metric]:
    for kind, name, text, value_of in _OF_DAEMON:
        value = value_of(told)
        if value is not None:
            yield kind(f"circus_daemon_{name}", text, value=value)


# -- watchers ----------------------------------------------------------------------------------------------


def _last_exit(key: str) -> _Value:
    return lambda known: known["exits"][-1][key] if known["exits"] else None


_OF_WATCHERS: Final[Sequence[tuple[type[Family], str, str, _Value]]] = (
    (GaugeMetricFamily, "processes_wanted", "Processes wanted.", lambda w: w["numprocesses"]),
    (GaugeMetricFamily, "processes", "Processes that run.", lambda w: w["running"]),
    (GaugeMetricFamily, "state_change_timestamp_seconds", "When its state changed.", lambda w: w["since"]),
    (GaugeMetricFamily, "delayed", "Processes that wait to be tried again.", lambda w: len(w["backoffs"])),
    (CounterMetricFamily, "spawns", "Processes that were started.", lambda w: w["spawned"]),
    (CounterMetricFamily, "failed_spawns", "Starts that failed.", lambda w: w["failed_spawns"]),
    (CounterMetricFamily, "restarts", "Processes that took another's place.", lambda w: w["restarts"]),
    (CounterMetricFamily, "ends", "Processes that have ended.", lambda w: w["ended"]),
    (
        GaugeMetricFamily,
        "last_exit_code",
        "Exit code of the process that ended last, negative for a signal.",
        _last_exit("exit_code"),
    ),
    (GaugeMetricFamily, "last_exit_timestamp_seconds", "When that was.", _last_exit("time")),
)

_OF_PROCESSES: Final[Sequence[tuple[type[Family], str, str, str]]] = (
    (CounterMetricFamily, "cpu_seconds", "Cpu time of the process.", "cpu_time"),
    (GaugeMetricFamily, "resident_memory_bytes", "Resident memory of the process.", "memory"),
    (GaugeMetricFamily, "open_fds", "Open descriptors of the process.", "open_files"),
    (GaugeMetricFamily, "threads", "Threads of the process.", "threads"),
    (GaugeMetricFamily, "start_time_seconds", "When the process was started.", "started"),
    (CounterMetricFamily, "restarts", "Processes that had this worker number before.", "restarts"),
)


def _watchers(watchers: Iterable[Known]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "circus_watcher_state", "1 for the state that the watcher is in.", labels=["watcher", "state"]
    )
    for known in watchers:
        for state in _STATES:
            states.add_metric([known["name"], state], float(known["state"] == state))
    yield states
    for kind, name, text, value_of in _OF_WATCHERS:
        family = kind(f"circus_watcher_{name}", text, labels=["watcher"])
        for known in watchers:
            value = value_of(known)
            if value is not None:
                family.add_metric([known["name"]], value)
        yield family
    yield _dropped_output(watchers)


def _dropped_output(watchers: Iterable[Known]) -> Metric:
    family = CounterMetricFamily(
        "circus_watcher_output_dropped_bytes", "Output that was lost.", labels=["watcher", "stream"]
    )
    for known in watchers:
        for name, stream in (known.get("streams") or {}).items():
            family.add_metric([known["name"], name], stream.get("dropped_bytes", 0))
    return family


def _processes(watchers: Iterable[Known]) -> Iterator[Metric]:
    for kind, name, text, key in _OF_PROCESSES:
        family = kind(f"circus_process_{name}", text, labels=["watcher", "wid"])
        for known in watchers:
            for process in known["processes"]:
                value = process.get(key)
                if value is not None:
                    family.add_metric([known["name"], str(process["wid"])], value)
        yield family


# -- events ------------------------------------------------------------------------------------------------


def _counted(counts: EventCounts, watchers: Iterable[Known]) -> Iterator[Metric]:
    names = _names(watchers)
    for name, text, labels, counter in (
        ("exits", "Processes that ended, by how.", ["how", "code"], counts.exits),
        ("hook_failures", "Hooks that raised or took too long.", ["hook"], counts.hook_failures),
        ("hook_timeouts", "Hooks that took too long.", ["hook"], counts.hook_timeouts),
        ("backoffs", "Pauses before a further try to start a process.", [], counts.backoffs),
        ("hangs", "How often a plugin was killed because it hung.", [], counts.hung),
    ):
        yield _counter(f"circus_watcher_{name}", text, labels, counter, names)
    yield CounterMetricFamily(
        "circus_events_missed", "Events that may be missing in the counters of events.", value=counts.missed
    )


def _counter(
    name: str, text: str, labels: list[str], counter: Counter[tuple[str, ...]], names: Mapping[str, str]
) -> Metric:
    family = CounterMetricFamily(name, text, labels=["watcher", *labels])
    for (watcher, *rest), count in sorted(counter.items()):
        family.add_metric([names.get(watcher, watcher), *rest], count)
    return family


def _names(watchers: Iterable[Known]) -> dict[str, str]:
    """Return the configured names by their form in events, without those that share one."""
    names: dict[str, list[str]] = {}
    for known in watchers:
        names.setdefault(event_name(known["name"]), []).append(known["name"])
    return {form: same[0] for form, same in names.items() if len(same) == 1}
