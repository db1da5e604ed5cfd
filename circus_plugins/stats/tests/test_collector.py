"""Real processes: figures that are known beforehand, figures of ps, and both ways to read them."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from circus_core.testing import until
from circus_stats.collector import Collector
from circus_stats.one_process import read_figures
from circus_stats.proc_table import read_proc
from circus_stats.psutil_table import read_psutil
from circus_stats.users import Users

from . import known_program

KNOWN = Path(known_program.__file__)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psutil.Popen]:
    folder = tmp_path_factory.mktemp("known")
    process = psutil.Popen([sys.executable, str(KNOWN), str(folder)], stdin=subprocess.DEVNULL)
    try:
        until((folder / "done").exists, deadline=60)
        yield process
    finally:
        children = process.children(recursive=True)
        for each in (process, *children):
            each.kill()
        process.wait()
        psutil.wait_procs(children, timeout=10)


@pytest.fixture(params=[True, False], ids=["proc", "psutil"])
def collector(request: pytest.FixtureRequest) -> Collector:
    return Collector(with_pss=True, has_proc=request.param)


def test_known_figures_are_found(known: psutil.Popen, collector: Collector) -> None:
    seen = collector.look([known.pid]).processes[known.pid]
    own, family = seen.info["figures"], seen.family
    assert known_program.CPU <= (own["cpu_time"] or 0) < known_program.CPU + 0.6
    assert 2 * known_program.CPU <= (family["cpu_time"] or 0) < 2 * known_program.CPU + 1.2
    assert known_program.MEMORY <= (own["rss"] or 0) < known_program.MEMORY + (32 << 20)
    assert known_program.MEMORY <= (own["uss"] or 0) <= (own["pss"] or 0) <= (own["rss"] or 0)
    assert known_program.DESCRIPTORS + 3 <= (own["fds"] or 0) <= known_program.DESCRIPTORS + 8
    assert own["threads"] == known_program.THREADS
    assert (own["voluntary_switches"] or 0) >= known_program.SWITCHES
    assert known_program.WRITTEN <= (own["write_chars"] or 0) < known_program.WRITTEN + (1 << 20)
    assert (own["write_bytes"] or 0) in (0, *range(known_program.WRITTEN, known_program.WRITTEN + (1 << 20)))
    assert (own["processes"], family["processes"], family["threads"]) == (1, 2, known_program.THREADS + 1)
    (child,) = seen.info["children"]
    assert (child["cmdline"], child["figures"]["processes"]) == ("sleep", 1)


def test_what_the_old_keys_say_is_what_ps_says(known: psutil.Popen, collector: Collector) -> None:
    begun, info = time.time(), collector.look([known.pid]).processes[known.pid].info
    ended = time.time()
    columns = "pid=,nice=,rss=,vsz=,nlwp=,times=,etimes=,uid="
    told = subprocess.run(
        ["ps", "-o", columns, "-p", str(known.pid)], capture_output=True, text=True, check=True
    )
    pid, nice, rss, vsz, threads, cpu, age, uid = map(int, told.stdout.split())
    after = float(collector.look([known.pid]).processes[known.pid].info["age"])
    figures = info["figures"]
    assert (info["pid"], info["nice"], figures["threads"]) == (pid, nice, threads)
    assert figures["vms"] == vsz * 1024
    assert figures["rss"] == pytest.approx(rss * 1024, rel=0.02)
    assert figures["cpu_time"] == pytest.approx(cpu, abs=1.05)  # whole seconds
    assert float(info["age"]) - 2.5 <= age <= after + 2.5  # ps and psutil count in whole seconds
    assert info["username"] == pwd.getpwuid(uid).pw_name
    assert begun - 1.5 <= float(info["create_time"]) + float(info["age"]) <= ended + 1.5


def test_both_ways_to_read_tell_the_same(known: psutil.Popen) -> None:
    pids = [known.pid, os.getpid()]
    ours, theirs = read_proc(pids, Users(), with_pss=True), read_psutil(pids, with_pss=True)
    assert ours.samples.keys() == theirs.samples.keys()
    mine, other = ours.samples[known.pid], theirs.samples[known.pid]
    assert mine.created == pytest.approx(other.created, abs=1.5)  # psutil counts from a whole second
    several = mine.threads > 1  # psutil tells of the first thread only
    loose = {"birth", "created", "rss", "shared", "pss", "uss"}
    loose |= {"voluntary", "involuntary"} if several else set()
    for name in mine._fields:
        if name not in loose:
            told = getattr(other, name)
            assert getattr(mine, name) == (pytest.approx(told) if isinstance(told, float) else told), name
    for name in ("rss", "shared", "pss", "uss"):
        assert getattr(mine, name) == pytest.approx(getattr(other, name), rel=0.02), name


def test_percent_of_cpu_is_the_difference_of_cpu_times(collector: Collector) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:

        def used() -> float:
            times = psutil.Process(process.pid).cpu_times()
            return times.user + times.system

        try:
            before = used()
            collector.look([process.pid])
            begun, behind = time.monotonic(), used()
            until(lambda: time.monotonic() > begun + 0.5)
            ahead = used()
            look = collector.look([process.pid])
            after = used()
        finally:
            process.kill()
    seen = look.processes[process.pid]
    assert seen.interval is not None
    ticks = 0.03  # cpu times are told in steps of 0.01 s
    spent = float(seen.info["cpu"]) * seen.interval / 100
    assert ahead - behind - ticks <= spent <= after - before + ticks


def test_the_first_percent_is_since_the_start(known: psutil.Popen, collector: Collector) -> None:
    seen = collector.look([known.pid]).processes[known.pid]
    assert seen.interval is None
    assert seen.age is not None
    assert seen.info["cpu"] == pytest.approx(
        100 * (seen.info["figures"]["cpu_time"] or 0) / seen.age, abs=0.2
    )
    assert float(seen.info["cpu"]) > 0


def test_who_has_gone_is_missing_and_so_is_a_zombie(collector: Collector) -> None:
    with subprocess.Popen(["true"]) as process:
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert collector.look([process.pid, 2**22 - 1]).processes == {}


def test_of_who_is_looked_at_alone_the_children_are_left_out(
    known: psutil.Popen, collector: Collector
) -> None:
    seen = collector.look([known.pid], alone=[known.pid]).processes[known.pid]
    assert (seen.family["processes"], seen.info["children"]) == (1, [])


def test_one_process_by_itself(known: psutil.Popen) -> None:
    figures = read_figures(known.pid)
    assert figures is not None
    assert figures["threads"] == known_program.THREADS
    assert read_figures(2**22 - 1) is None


@pytest.mark.root
def test_what_another_user_may_not_read_is_null(known: psutil.Popen) -> None:
    script = (
        "import os\n"
        "from circus_stats.collector import Collector\n"
        "Collector().look([os.getpid()])\n"  # what it imports, nobody may not read
        "os.setgid(65534); os.setgroups([]); os.setuid(65534)\n"
        f"seen = Collector(with_pss=True).look([{known.pid}]).processes[{known.pid}]\n"
        "f = seen.info['figures']\n"
        "assert f['pss'] is None and f['read_bytes'] is None and f['read_rate'] is None, f\n"
        "assert f['threads'] == 4 and f['rss'] > 0 and seen.info['cpu'] > 0, f\n"
        "assert seen.family['read_rate'] is None and seen.family['processes'] == 2\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd="/")


@pytest.mark.root
@pytest.mark.parametrize("has_proc", [True, False], ids=["proc", "psutil"])
def test_a_zombie_below_takes_no_figure_away(has_proc: bool) -> None:
    script = (
        "import os, time\n"
        "from circus_stats.collector import Collector\n"
        f"Collector(has_proc={has_proc}).look([os.getpid()])\n"  # what it imports, nobody may not read
        "libc = __import__('ctypes').CDLL(None)\n"
        "os.setgid(65534); os.setgroups([]); os.setuid(65534)\n"
        "libc.prctl(4, 1, 0, 0, 0)\n"  # PR_SET_DUMPABLE: exec would do the same
        "child = os.fork()\n"
        "if child == 0: os._exit(0)\n"
        "os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\n"
        f"seen = Collector(with_pss=True, has_proc={has_proc}).look([os.getpid()]).processes[os.getpid()]\n"
        "family = seen.family\n"
        "assert family['processes'] == 2 and None not in family.values(), family\n"
        "assert seen.info['children'][0]['nice'] == 'Zombie', seen\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd="/")
