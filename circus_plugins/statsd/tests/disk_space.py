"""The example of the README, and one that fails."""

from __future__ import annotations

import shutil

from circus_statsd import BaseObserver


class DiskSpace(BaseObserver):
    name = "disk_space"

    def look_after(self) -> None:
        self.statsd.gauge("disk.free", shutil.disk_usage("/").free)


class Failing(BaseObserver):
    """Fails every other time."""

    name = "failing"
    looks = 0

    async def look_after(self) -> None:
        self.looks += 1
        if self.looks % 2:
            raise RuntimeError("no luck")
        self.statsd.timed("looks", self.looks)
