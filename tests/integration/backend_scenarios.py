"""What a daemon of its own sees. A program, as prctl(2) is for good: `backend_scenarios.py UID NAME WORD`.

The last line on stdout is a JSON object: what the scenario found out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2]))

from circus_core.backends import SpawnRequest, descendants
from circus_core.backends.descriptors import ensure_descriptors
from circus_core.backends.exits import PidfdExits
from circus_core.backends.posix import PosixBackend
from circus_core.backends.reaper import PosixChild
from circus_core.cli.signals import SignalWatcher
from circus_core.errors import SpawnError
from tests.integration.backend_runs import (
    DEADLINE,
    Witness,
    backend,
    blocking_backend,
    exit_of,
    request,
    until,
)

UNTOUCHABLE: set[int] = set()  # pids that the test itself has to end
_PR_SET_DUMPABLE = 4  # prctl(2)

Scenario = Callable[..., Coroutine[Any, Any, dict[str, Any]]]

# The five kinds of descendants. Each says which it is, and holds the pipe of the witness. What forks gives up
# after a minute: were it not caught, the machine would have it for ever.
FAMILY = r"""
import os, signal, sys, time
end = time.monotonic() + 60
def rest():
    os.write(1, b"up\n")
    while True: time.sleep(100)
if os.fork() == 0: rest()                                        # plain
if os.fork() == 0:                                               # double-forked daemon
    os.setsid()
    if os.fork() == 0: rest()
    os._exit(0)
if os.fork() == 0:                                               # hopper: forks itself and exits
    os.setsid(); os.write(1, b"up\n")
    while time.monotonic() < end:
        time.sleep(.002)
        if os.fork(): os._exit(0)
    os._exit(0)
if os.fork() == 0:                                               # ignores what can be ignored
    for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)
    rest()
if os.fork() == 0:                                               # own session, forks short-lived children
    os.setsid(); signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.write(1, b"up\n")
    while time.monotonic() < end:
        if os.fork() == 0: time.sleep(.01); os._exit(0)
        time.sleep(.001)
    os._exit(0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True: time.sleep(100)
"""

# A new session with each hop.
SESSION_HOPPER = r"""
import os, time
end = time.monotonic() + 60
if os.fork() == 0:
    os.setsid(); os.write(1, b"up\n")
    while time.monotonic() < end:
        time.sleep(.002)
        if os.fork(): os._exit(0)
        os.setsid()
    os._exit(0)
while True: time.sleep(100)
"""


async def family(made: PosixBackend, program: str) -> dict[str, Any]:
    """Kill the head of a family; nobody may be left when its exit is reported."""
    with Witness() as witness:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        python = sys.executable if os.access(sys.executable, os.X_OK) else "python3"
        wanted = request(python, "-I", "-S", "-c", globals()[program], stdout=witness.write_end)
        child = made.spawn(wanted, done.set_result)
        for _ in range(5 if program == "FAMILY" else 1):
            await witness.line()
        child.send_signal(signal.SIGKILL)
        started = time.perf_counter()
        code = await asyncio.wait_for(done, DEADLINE)
        took = time.perf_counter() - started
        return {
            "code": code,
            "gone": await witness.sees_the_end(),
            # The dead leader of a dead session can't be told from a child of the program itself.
            "children": sorted(filter(_alive, descendants.own_children())),
            "ms": took * 1000,
        }


async def many_families(made: PosixBackend, count: str) -> dict[str, Any]:
    """Daemons of many owners at once: each owner's exit waits for its own only."""
    with Witness() as witness:
        ended: list[int] = []
        script = "setsid sh -c 'sleep 100 & setsid sleep 100 & echo up; sleep 100' & read never"
        children = []
        go, starter = os.pipe()
        for _ in range(int(count)):
            wanted = request("sh", "-c", script, stdin=go, stdout=witness.write_end)
            children.append(made.spawn(wanted, ended.append))
        for _ in children:
            await witness.line()
        os.close(go)
        os.close(starter)
        await until(lambda: len(ended) == len(children))
        return {
            "gone": await witness.sees_the_end(),
            "children": sorted(filter(_alive, descendants.own_children())),
        }


async def orphan_of_the_living(made: PosixBackend) -> dict[str, Any]:
    """An orphan whose owner lives is left alone; reaped when it dies, and killed when its owner ends."""
    with Witness() as witness:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        script = (
            "(setsid sh -c 'echo $$; sleep 100' &); (setsid sh -c 'echo $$; sleep 100' &); read go; exit 6"
        )
        go, starter = os.pipe()
        made.spawn(request("sh", "-c", script, stdin=go, stdout=witness.write_end), done.set_result)
        os.close(go)
        first, second = int(await witness.line()), int(await witness.line())
        await until(lambda: {first, second} <= descendants.own_children())
        made.reap_orphans()
        other = await exit_of(made, request("true"))
        spared = _alive(first) and _alive(second)
        os.kill(first, signal.SIGKILL)
        await until(lambda: first not in descendants.own_children())
        second_lives = _alive(second)
        os.close(starter)
        code = await asyncio.wait_for(done, DEADLINE)
        return {
            "code": code,
            "other": other,
            "spared": spared and second_lives,
            "gone": await witness.sees_the_end(),
            "children": sorted(descendants.own_children()),
        }


async def zombies_do_not_pile_up(made: PosixBackend) -> dict[str, Any]:
    """A living owner makes daemons that end. SIGCHLD is all that tells of them."""
    watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGCHLD: made.reap_orphans})
    with Witness() as witness:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # The orphan stays in the session of its owner, or gets one and is seen alive by a second look.
        script = "for i in 1 2 3 4 5 6 7 8; do sh -c 'sleep 0.05 & sleep 0.01 &'; done; echo up; sleep 100"
        child = made.spawn(request("sh", "-c", script, stdout=witness.write_end), done.set_result)
        await witness.line()
        await until(lambda: descendants.own_children() == {child.pid})
        lives = child.returncode is None
        child.send_signal(signal.SIGKILL)
        await asyncio.wait_for(done, DEADLINE)
    watcher.close()
    return {"lives": lives, "children": sorted(descendants.own_children())}


async def unrelated_children(made: PosixBackend) -> dict[str, Any]:
    """What this program starts by itself is neither killed nor reaped, in its own session or in another."""
    watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGCHLD: made.reap_orphans})
    ends = [sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"]
    dead = [subprocess.Popen(ends, start_new_session=new) for new in (False, True)]
    living = [subprocess.Popen(["sleep", "100"], start_new_session=new) for new in (False, True)]
    other = await asyncio.create_subprocess_exec(*ends)
    for host in dead:
        os.waitid(os.P_PID, host.pid, os.WEXITED | os.WNOWAIT)
    codes = [await exit_of(made, request("sh", "-c", "sleep 100 & exit 3")) for _ in range(5)]
    alive = [host.poll() is None for host in living]
    for host in living:
        host.kill()
    result = {
        "codes": codes,
        "dead": [host.wait(DEADLINE) for host in dead],
        "alive": alive,
        "killed": [host.wait(DEADLINE) for host in living],
        "other": await other.wait(),
    }
    watcher.close()
    return result


async def left_alone(made: PosixBackend) -> dict[str, Any]:
    """kill_descendants=False: the exit is reported at once; orphans live, and are reaped when they die."""
    watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGCHLD: made.reap_orphans})
    with Witness() as witness:
        script = "sleep 100 & echo $!; setsid sleep 100 & echo $!; exit 3"
        wanted = request("sh", "-c", script, stdout=witness.write_end, kill_descendants=False)
        code = await exit_of(made, wanted)
        left = [int(await witness.line()), int(await witness.line())]
        await until(lambda: set(left) == descendants.own_children())
        other = await exit_of(made, request("sh", "-c", "sleep 100 & exit 4"))
        alive = [_alive(pid) for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not descendants.own_children())
        watcher.close()
        return {"code": code, "other": other, "alive": alive, "gone": await witness.sees_the_end()}


async def without_a_loop(made: PosixBackend) -> dict[str, Any]:
    """wait() gives the same promise."""
    del made
    with blocking_backend(subreaper=True) as blocking, Witness() as witness:
        script = "setsid sh -c 'sleep 100 & setsid sleep 100 & echo up; sleep 100' & read never; exit 5"
        go, starter = os.pipe()
        child = blocking.spawn(request("sh", "-c", script, stdin=go, stdout=witness.write_end), None)
        os.close(go)
        await witness.line()
        before = child.poll()
        os.close(starter)
        code = child.wait(DEADLINE)
        return {
            "before": before,
            "code": code,
            "gone": await witness.sees_the_end(),
            "children": sorted(descendants.own_children()),
        }


async def nested(made: PosixBackend) -> dict[str, Any]:
    """A supervisor below this one is killed: its own processes carry our mark too."""
    with Witness() as witness:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        inner = (sys.executable, "-W", "error", __file__, str(os.getuid()), "inner")
        child = made.spawn(request(*inner, stdout=witness.write_end), done.set_result)
        await witness.line()
        child.send_signal(signal.SIGKILL)
        await asyncio.wait_for(done, DEADLINE)
        return {"gone": await witness.sees_the_end(), "children": sorted(descendants.own_children())}


async def inner(made: PosixBackend) -> dict[str, Any]:
    made.spawn(request("sh", "-c", "echo up; sleep 100"), None)
    await asyncio.sleep(100)
    return {}


async def as_first_process(made: PosixBackend) -> dict[str, Any]:
    """Pid 1 reaps strangers, and does not kill them."""
    watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGCHLD: made.reap_orphans})
    host = subprocess.Popen([sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"])
    # Not marked, in a session that it does not lead: as what someone who came from outside has left behind.
    stranger = "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.read(0, 1)\n"
    go, starter = os.pipe()
    subprocess.run([sys.executable, "-I", "-S", "-c", stranger], stdin=go, check=True)
    os.close(go)
    await until(_strangers)
    code = await exit_of(made, request("sh", "-c", "setsid sleep 100 & exit 3"))
    lived = any(_alive(pid) for pid in _strangers())
    os.close(starter)
    await until(lambda: not _strangers())
    watcher.close()
    return {"pid": os.getpid(), "code": code, "lived": lived, "host": host.wait(DEADLINE)}


def _strangers() -> list[int]:
    stats = map(descendants.read_stat, descendants.own_children())
    return [s.pid for s in stats if s is not None and s.session != os.getsid(0) and not s.leads_session]


async def ignored_sigchld(made: PosixBackend) -> dict[str, Any]:
    """Started by a program that ignores SIGCHLD."""
    return {"code": await exit_of(made, request("sh", "-c", "exit 3"))}


async def doubtful(made: PosixBackend) -> dict[str, Any]:
    """A dead child in a session of its own that nobody asks for is reaped after a while."""
    watcher = SignalWatcher(asyncio.get_running_loop(), {signal.SIGCHLD: made.reap_orphans})
    doubt = descendants.DOUBT_SECONDS / 3
    with patch("circus_core.backends.orphans.DOUBT_SECONDS", doubt):
        forgotten = subprocess.Popen(["true"], start_new_session=True)
        os.waitid(os.P_PID, forgotten.pid, os.WEXITED | os.WNOWAIT)
        await exit_of(made, request("true"))
        kept = forgotten.pid in descendants.own_children()
        await until(lambda: forgotten.pid not in descendants.own_children(), doubt + DEADLINE)
    forgotten.returncode = 0
    watcher.close()
    return {"kept": kept}


async def no_more_processes(made: PosixBackend) -> dict[str, Any]:
    """fork(2) says EAGAIN."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (8, hard))
    living, refusal = _spawn_until_refused(made, request("sleep", "100"))
    resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
    return await _after_shortage(made, living, refusal)


async def no_more_descriptors(made: PosixBackend, gated: str) -> dict[str, Any]:
    """Each process costs a pidfd, and for a moment some more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    options = {"rlimits": {"core": 0}} if gated else {}
    refusals: list[SpawnError] = []
    living: list[PosixChild] = []
    # Every number of free descriptors once: each step of a spawn finds none left.
    for spare in range(12):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_lowest_free() + spare, hard))
        more, refusal = _spawn_until_refused(made, request("sleep", "100", **options))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        living += more
        refusals.append(refusal)
    assert all(refusal.shortage for refusal in refusals), refusals
    await until(lambda: len(descendants.own_children()) == len(living))  # the ones given up are gone
    return await _after_shortage(made, living, refusals[-1])


async def no_more_watches(made: PosixBackend, gated: str) -> dict[str, Any]:
    """Stands for fs.epoll.max_user_watches, which holds for the machine."""
    options = {"rlimits": {"core": 0}} if gated else {}
    told: list[int] = []
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with Witness() as witness:
        wanted = request("sh", "-c", "setsid sleep 100 & sleep 100", stdout=witness.write_end, **options)
        with patch.object(PidfdExits, "watch", side_effect=full):
            try:
                made.spawn(wanted, told.append)
                reason = ""
            except SpawnError as error:
                reason = str(error)
        gone = await witness.sees_the_end()
        await until(lambda: not descendants.own_children())
        return {"reason": reason, "gone": gone, "next": await exit_of(made, request("true")), "told": told}


def _lowest_free() -> int:
    free = os.dup(0)
    os.close(free)
    return free


def _spawn_until_refused(made: PosixBackend, wanted: SpawnRequest) -> tuple[list[PosixChild], SpawnError]:
    living: list[PosixChild] = []
    for _ in range(100):
        try:
            living.append(made.spawn(wanted, lambda code: None))
        except SpawnError as error:
            return living, error
    raise AssertionError("never refused")


async def _after_shortage(
    made: PosixBackend, living: list[PosixChild], refusal: SpawnError
) -> dict[str, Any]:
    siblings = [_alive(child.pid) for child in living]
    children = len(descendants.own_children())
    for child in living:
        child.send_signal(signal.SIGKILL)
    await until(lambda: all(child.returncode is not None for child in living))
    return {
        "started": len(living),
        "shortage": refusal.shortage,
        "reason": str(refusal),
        "siblings": siblings,
        "children": children,
        "afterwards": await exit_of(made, request("true")),
    }


async def mass_death(made: PosixBackend, count: str, adopting: str) -> dict[str, Any]:
    """All at once, killed by somebody else."""
    ensure_descriptors(int(count) + 100)
    with contextlib.ExitStack() as stack:
        if adopting == "embedded":
            made = stack.enter_context(backend())
        codes: Counter[int] = Counter()
        wanted = request("sleep", "1000")
        children = [made.spawn(wanted, lambda code: codes.update([code])) for _ in range(int(count))]
        killer = "import os, sys\nfor pid in sys.stdin.read().split(): os.kill(int(pid), 9)"
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", killer], stdin=subprocess.PIPE, text=True
        )
        before = time.process_time()
        assert process.stdin is not None
        process.stdin.write(" ".join(str(child.pid) for child in children))
        process.stdin.close()
        await until(lambda: codes.total() >= len(children), 60)
        cpu = time.process_time() - before
        process.wait()
        await asyncio.sleep(0)
        return {"codes": codes, "cpu": cpu, "children": sorted(descendants.own_children())}


async def storm(made: PosixBackend) -> dict[str, Any]:
    """More signals than the wake-up socket holds, while the loop is busy; one of them is SIGTERM."""
    del made
    seen: Counter[str] = Counter()
    callbacks: dict[int, Callable[[], None]] = {
        signal.SIGCHLD: lambda: seen.update(["child"]),
        signal.SIGTERM: lambda: seen.update(["term"]),
    }
    watcher = SignalWatcher(asyncio.get_running_loop(), callbacks)
    script = (
        "import os, signal, sys\nppid = os.getppid()\nfor n in range(200_000):\n"
        "    os.kill(ppid, signal.SIGCHLD)\n"
        "    if n == 190_000: os.kill(ppid, signal.SIGTERM)\n"
    )
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", script]) as process:
        process.wait()  # blocks this loop: nothing is read from the socket meanwhile
    await until(lambda: seen["term"] and seen["child"])
    watcher.close()
    return {"terms": seen["term"], "children_seen": seen["child"]}


async def survivor(made: PosixBackend, python_of_root: str) -> dict[str, Any]:
    """What we may not kill delays the report of an exit, but not for ever."""
    with Witness() as witness:
        stay = "import os, time; os.setresuid(0, 0, 0); print(os.getpid(), flush=True); time.sleep(1000)"
        script = f'{python_of_root} -I -S -c "{stay}" 2>/dev/null & read never; exit 3'
        go, starter = os.pipe()
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        made.spawn(request("sh", "-c", script, stdin=go, stdout=witness.write_end), done.set_result)
        os.close(go)
        left = int(await witness.line())
        UNTOUCHABLE.add(left)
        os.close(starter)
        other = await exit_of(made, request("true"))
        waited_for = not done.done()
        code = await asyncio.wait_for(done, DEADLINE)
        return {"left": left, "other": other, "waited_for": waited_for, "code": code}


async def recycled_pid(made: PosixBackend) -> dict[str, Any]:
    """Signals for one that has ended, whose number another one has got."""
    del made
    with blocking_backend() as blocking:
        child = blocking.spawn(request("true"), None)
        child.wait(DEADLINE)
        with _next_at(child.pid) as innocent:
            return {
                "is_recycled": innocent.pid == child.pid,
                "reached": [child.send_signal(signal.SIGKILL), child.send_signal_group(signal.SIGKILL)],
                "lives": innocent.poll() is None,
            }


async def number_of_the_dead(made: PosixBackend) -> dict[str, Any]:
    """One has ended, and it was not looked for yet."""
    del made
    with blocking_backend() as blocking:
        child = blocking.spawn(request("true"), None)
        select.select([child.handle], [], [], DEADLINE)
        with _next_at(child.pid) as other:
            is_recycled = other.pid == child.pid
        return {"is_recycled": is_recycled, "code": child.wait(DEADLINE)}


@contextlib.contextmanager
def _next_at(pid: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that gets this number if it is free; in a namespace where nobody else starts anything."""
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    process = subprocess.Popen(["sleep", "100"], start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _alive(pid: int) -> bool:
    stat = descendants.read_stat(pid)
    return stat is not None and not stat.is_zombie


def become(uid: int) -> None:
    """Another user; yet readable in /proc for that user, as a program that was started by it is."""
    if uid == os.getuid():
        return
    libc = ctypes.CDLL(None)  # before the files of this interpreter may become unreadable
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


async def main(name: str, words: list[str]) -> dict[str, Any]:
    scenario: Scenario = globals()[name]
    with backend(subreaper=True) as made:
        try:
            return await scenario(made, *words)
        finally:
            _kill_everything()


def _kill_everything() -> None:
    """A scenario that fails leaves nothing behind either: all orphans come to us."""
    end = time.monotonic() + DEADLINE
    while (left := descendants.own_children() - UNTOUCHABLE) and time.monotonic() < end:
        for pid in left:
            stat = descendants.read_stat(pid)
            if stat is not None and stat.group != os.getpgrp():
                with contextlib.suppress(PermissionError):
                    os.killpg(stat.group, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    become(int(sys.argv[1]))
    if sys.argv[2] == "ignored_sigchld":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(json.dumps(asyncio.run(main(sys.argv[2], sys.argv[3:]))))
