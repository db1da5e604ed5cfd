"""What all watchers of one arbiter share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from circus_core.backends import Backend
from circus_core.clock import Clock
from circus_core.events import Publish
from circus_core.hooks import Hooks
from circus_core.output.outlets import WatcherOutput
from circus_core.records import dataclass, field
from circus_core.sockets import Sockets
from circus_core.turns import Turns
from circus_core.views import WatcherView

__all__ = ["Runtime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Made by the arbiter, or by hand for a watcher without one.

    Attributes:
        backend: gives the backend of a name (`backend = local`).
        output: makes what takes the output of one watcher's processes.
        make_room: called when more processes are wanted.
        jitter: a random number from 0 to 1.
        endpoint_owner: uid of who may give orders to a daemon of root; processes of that user enter their
            working_dir with the rights of that user, or orders could open folders of root.
    """

    loop: asyncio.AbstractEventLoop
    clock: Clock
    hooks: Hooks
    publish: Publish
    sockets: Sockets
    backend: Callable[[str], Backend]
    output: Callable[[WatcherView], WatcherOutput]
    make_room: Callable[[], None]
    turns: Turns = field(default_factory=Turns)
    jitter: Callable[[], float] = random.random
    endpoint_owner: int | None = None
