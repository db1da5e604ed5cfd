"""Notices of changes on disk, from the kernel of the system: nothing is looked at until something changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Final

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

__all__ = ["Notices"]

_logger = logging.getLogger("circus")

# What changes a file or a name; not that one is opened or closed, as each start of a program does.
_KINDS: Final = [
    getattr(events, name)
    for name in (
        "DirCreatedEvent",
        "DirDeletedEvent",
        "DirMovedEvent",
        "FileAttribEvent",  # of version 7; before, it was a FileModifiedEvent
        "FileCreatedEvent",
        "FileDeletedEvent",
        "FileModifiedEvent",
        "FileMovedEvent",
    )
    if hasattr(events, name)
]


class Notices(events.FileSystemEventHandler):
    """Calls `heard` with each path that changed, in a thread of its own. Its other methods may take long."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._observer: BaseObserver = Observer()
        self._watches: dict[tuple[str, bool], tuple[ObservedWatch, int]] = {}
        self._refused: set[tuple[str, bool]] = set()
        self._observer.start()

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()

    def watch(self, folders: Mapping[tuple[str, bool], object]) -> None:
        """Hear of these folders and no others; the key is the path, and True if all below it counts too."""
        present = {key: inode for key in folders if (inode := _inode(key[0])) is not None}
        for key, (watched, inode) in list(self._watches.items()):
            if present.get(key) != inode:  # not wanted any more, or another folder has its name now
                del self._watches[key]
                self._observer.unschedule(watched)
        self._refused &= present.keys()
        for key, inode in present.items():
            if key not in self._watches:
                self._add(key, inode)

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                self._heard(os.fsdecode(path))

    def _add(self, key: tuple[str, bool], inode: int) -> None:
        path, is_recursive = key
        try:
            watched = self._observer.schedule(self, path, recursive=is_recursive, event_filter=_KINDS)
        except OSError as error:
            if key not in self._refused:
                _logger.error("changes in %s are not noticed: %s", path, error)
            self._refused.add(key)
            return
        self._watches[key] = (watched, inode)


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
