"""Documents that pages have subscribed to: what is sent of them is made once for all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from circus_httpd.merge_patch import difference, without_nulls
from circus_httpd.tokens import Role

__all__ = ["Document", "Place", "Topic", "as_json"]

Topic = Literal["daemons", "overview", "watcher", "sockets"]


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Place:
    """What a document is about; two pages that ask for the same see the same.

    Attributes:
        daemon: id, empty for `daemons`.
        watcher: name, empty but for `watcher`.
    """

    topic: Topic
    role: Role
    daemon: str = ""
    watcher: str = ""


class Document:
    """One document and its last change, each as text as soon as somebody needs it.

    Attributes:
        version: counts the changes.
        is_there: what it is about exists.
    """

    def __init__(self) -> None:
        self.version = 0
        self._value: Mapping[str, Any] | None = None
        self._change: Mapping[str, Any] | None = None
        self._snapshot: str | None = None
        self._delta: str | None = None

    @property
    def is_there(self) -> bool:
        return self._value is not None

    def update(self, value: Mapping[str, Any] | None) -> None:
        """Take what it is now; None: there is no such thing (any more)."""
        fresh = None if value is None else without_nulls(value)
        old, self._value = self._value, fresh
        if old is None or fresh is None:
            if old is not fresh or self.version == 0:
                self._has_changed(None)
            return
        if change := difference(old, fresh):
            self._has_changed(change)

    def snapshot(self) -> str:
        """Return the whole document as JSON."""
        if self._snapshot is None:
            self._snapshot = as_json(self._value)
        return self._snapshot

    def delta(self, version: int) -> str | None:
        """Return the patch that leads from `version` to now; None: a snapshot is needed."""
        if version != self.version - 1 or self._change is None:
            return None
        if self._delta is None:
            self._delta = as_json(self._change)
        return self._delta

    def _has_changed(self, change: Mapping[str, Any] | None) -> None:
        self.version += 1
        self._change = change
        self._snapshot = self._delta = None
