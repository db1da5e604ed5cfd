"""The arbiter and its watchers as commands see them.

Methods that return an awaitable change the wish before they return; the awaitable tells when the
processes have followed, or raises why they could not. Each call has an awaitable of its own: giving up
waiting for one changes nothing, and one that nobody awaits must not complain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from circus_core.config.model import ArbiterConfig, WatcherConfig
from circus_core.events import Event
from circus_core.output.tail import Tail, Tails
from circus_core.views import ProcessView, WatcherView

if TYPE_CHECKING:
    from circus_core.config.check import CheckReport
    from circus_core.reconfigure import Outlook, Reload

__all__ = ["Changes", "ControlledArbiter", "ControlledSockets", "ControlledWatcher", "Entries"]

Changes = Mapping[str, Sequence[int]]
"""Sorted pids under `started` and `kept`, and `stopped` where processes were replaced."""

Entries = Mapping[int, Mapping[str, Any] | None]
"""What `stats` says of processes, by pid; None: it has ended."""


class ControlledWatcher(WatcherView, Protocol):
    """A watcher that can be told things."""

    @property
    def processes(self) -> Mapping[int, ProcessView]: ...

    @property
    def trouble(self) -> str:
        """Why it is not as it was wished to be, for people; empty if it is."""

    def start(self) -> Awaitable[Changes]: ...

    def stop(self, reason: str = "", /) -> Awaitable[None]: ...

    def restart(self) -> Awaitable[Changes]: ...

    def reload(self, *, graceful: bool = True, sequential: bool = False) -> Awaitable[Changes]: ...

    def incr(self, nb: int = 1, /) -> Awaitable[int]:
        """Want more; resolves to the number wanted. A singleton stays as it is."""

    def decr(self, nb: int = 1, /) -> Awaitable[int]:
        """Want fewer, not below 0; resolves to the number wanted. A singleton stays as it is."""

    def set_numprocesses(self, number: int, /) -> Awaitable[int]: ...

    def send_signal(self, pid: int, signum: int, /) -> None:
        """Send to one process, with the hooks; OSError if the system refuses."""

    def send_signal_child(self, pid: int, child_pid: int, signum: int, /) -> None:
        """Send to a direct child of a process; MessageError if it has no such child."""

    def kill(
        self, pid: int | None = None, signum: int | None = None, graceful_timeout: float | None = None, /
    ) -> Awaitable[None]:
        """Stop one process or all with these instead of the configured ones; they are replaced."""

    @property
    def tail(self) -> Tail:
        """The last output of its processes."""

    @property
    def captured(self) -> Collection[str]:
        """Which of "stdout" and "stderr" go through the daemon, and so into the tail."""

    @property
    def dropped_bytes(self) -> int:
        """Output that was taken from its processes and not delivered."""

    def options(self) -> Mapping[str, Any]:
        """Return the options by their names on the wire, sorted."""

    def preview(self, options: Mapping[str, Any], /) -> WatcherConfig:
        """Return the section that set_options() would make; raises ConfigError."""

    def set_options(self, options: Mapping[str, Any], /) -> Awaitable[None]:
        """Change checked options, publish each, then reload or adjust once."""


class ControlledSockets(Protocol):
    """The listening sockets."""

    def listing(self) -> Sequence[Mapping[str, Any]]:
        """Return fd, name, backlog and host with port, or path, of each."""


class ControlledArbiter(Protocol):
    """All watchers and sockets, and the life of the daemon."""

    @property
    def config(self) -> ArbiterConfig: ...

    @property
    def sockets(self) -> ControlledSockets: ...

    def publish(self, event: Event, /) -> None:
        """Tell everyone; never raises."""

    @property
    def tails(self) -> Tails:
        """Who waits for output is told there."""

    @property
    def is_restarting(self) -> bool:
        """It ends to be made anew."""

    def iter_watchers(self) -> Iterable[ControlledWatcher]:
        """Highest priority first."""

    def get_watcher(self, name: str, /) -> ControlledWatcher:
        """Look up by name, in any case; raises UnknownWatcherError."""

    def start_watchers(self, watchers: Sequence[ControlledWatcher] | None = None, /) -> Awaitable[object]:
        """Start those with autostart among these, or among all, in order of priority."""

    def stop_watchers(self, watchers: Sequence[ControlledWatcher] | None = None, /) -> Awaitable[object]: ...

    def restart_watchers(self, watchers: Sequence[ControlledWatcher], /) -> Awaitable[object]: ...

    def reload(
        self,
        *,
        graceful: bool = True,
        sequential: bool = False,
        watchers: Sequence[ControlledWatcher] | None = None,
    ) -> Awaitable[object]:
        """Reload those of these, or of all, that are not stopped."""

    async def measure(
        self, watchers: Sequence[ControlledWatcher], /, *, extended: bool = False
    ) -> Mapping[str, Entries]:
        """Measure all processes of these watchers, off the loop; by name. Raises CommandError."""

    async def measure_daemon(self) -> Mapping[str, Any]:
        """Measure the daemon itself, off the loop. Raises CommandError."""

    async def signal_descendants(
        self, pids: Sequence[int], signum: int, /, *, recursive: bool = False
    ) -> None:
        """Send to the direct children of processes, or to all their descendants; looked up off the loop."""

    async def import_hooks(self, config: WatcherConfig, anew: Collection[str] = (), /) -> None:
        """Import the hooks of a section off the loop, those in `anew` once more; raises ConfigError."""

    async def describe(self, watchers: Sequence[ControlledWatcher], /) -> Sequence[Mapping[str, Any]]:
        """Return all that is known of each of these watchers. Raises CommandError."""

    async def reopen_output(self, watchers: Sequence[ControlledWatcher] | None = None, /) -> None:
        """Have streams open their files anew, those of these watchers or all; CommandError: not done yet."""

    def counters(self) -> Mapping[str, int]:
        """Return how much was dropped or refused since the start, by what it was."""

    def request_stop(self) -> Awaitable[object]:
        """Begin the shutdown; resolves when all processes have ended, while the endpoints are still open."""

    async def prepare_restart(self) -> None:
        """Read the configuration file for request_restart(); raises CircusError: it can't be used."""

    def request_restart(self) -> Awaitable[object]:
        """Begin a restart in place from what was prepared; resolves as `request_stop` does."""

    def plan_config(self) -> Awaitable[Outlook]:
        """Say what reload_config() would do; raises CircusError as that does."""

    def reload_config(self, *, force: bool = False) -> Awaitable[Reload]:
        """Read the file again and begin what changed; CircusError: nothing was changed, with all reasons."""

    def check_file(self, path: str | None = None, /) -> Awaitable[CheckReport]:
        """Check a configuration file, the own one if None."""

    def new_section(self, values: Mapping[str, Any], /) -> WatcherConfig:
        """Make the section of a watcher to be added, as it would be in a file; raises ConfigError."""

    def add_watcher(self, config: WatcherConfig, /) -> ControlledWatcher:
        """Register a stopped watcher; raises AlreadyExistError."""

    def remove_watcher(self, watcher: ControlledWatcher, /, *, nostop: bool = False) -> Awaitable[object]:
        """Forget a watcher and stop it, unless `nostop`."""
