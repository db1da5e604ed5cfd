"""StatsdPlugin: what all plugins that talk to statsd have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from circus_core import CircusPlugin
from circus_statsd.client import StatsdClient
from circus_statsd.metrics import tag
from circus_statsd.settings import Settings, read_settings

__all__ = ["StatsdPlugin"]


class StatsdPlugin(CircusPlugin):
    """Has a client with the options of its section.

    Attributes:
        default_app_name: class attribute, the application_name if the section has none.
        statsd: the client; its prefix is `circus.NAME.watcher`.
    """

    default_app_name: ClassVar[str] = "app"

    def __init__(self, *args: Any, **config: Any) -> None:
        """Raises ValueError: an option is not possible."""
        super().__init__(*args, **config)
        self.settings = read_settings(config, self._defaults())
        self.prefix = f"circus.{self.settings.application_name}.watcher"
        self.statsd = StatsdClient(
            self.settings.host,
            self.settings.port,
            self.prefix,
            self.settings.sample_rate,
            self.settings.tags,
        )

    def handle_gap(self, count: int) -> None:
        self.statsd.increment("_statsd.missed_events", count)

    def handle_stop(self) -> None:
        self.statsd.stop()

    def place(self, watcher: str, metric: str, *, below: str = "") -> tuple[str, tuple[str, ...]]:
        """Return the bucket and the tags of a metric about a watcher, below `below` with its dot."""
        if self.settings.watcher_tag:
            return f"{below}{metric}", (tag("watcher", watcher),)
        return f"{below}{watcher}.{metric}", ()

    def _defaults(self) -> Settings:
        return Settings(application_name=self.default_app_name)
