"""Asks a Redis server every now and then how it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError

from circus_observers.observer import Observer
from circus_observers.options import ObserverOptions
from circus_observers.sections import RedisOptions

__all__ = ["KEYS", "RedisObserver", "gauges"]

_logger = logging.getLogger("circus")

KEYS: Final = (
    "pubsub_channels",
    "connected_slaves",
    "lru_clock",
    "connected_clients",
    "keyspace_misses",
    "used_memory",
    "used_memory_peak",
    "total_commands_processed",
    "used_memory_rss",
    "total_connections_received",
    "pubsub_patterns",
    "used_cpu_sys",
    "used_cpu_sys_children",
    "blocked_clients",
    "used_cpu_user",
    "client_biggest_input_buf",
    "mem_fragmentation_ratio",
    "expired_keys",
    "evicted_keys",
    "client_longest_output_list",
    "uptime_in_seconds",
    "keyspace_hits",
)


def gauges(info: Mapping[str, Any]) -> Iterator[tuple[str, int | float]]:
    """Yield those of KEYS that this server tells, with their numbers; newer ones have dropped some."""
    for key in KEYS:
        value = info.get(key)
        if isinstance(value, int | float):
            yield key, value


class RedisObserver(Observer[RedisOptions]):
    """Sends what INFO says, counts errors, and restarts a watcher if there is one."""

    name = "redis_observer"
    options_class: ClassVar[type[ObserverOptions]] = RedisOptions

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        try:
            parse_url(self.options.redis_url)
        except ValueError as error:
            raise ValueError(f"redis_url must be the URL of a Redis server: {error}") from None

    async def look_after(self) -> None:
        try:
            info = await self._info()
        except (OSError, TimeoutError, RedisError) as error:
            _logger.warning("%s: %s", self.name, str(error) or "no answer in time")
            await self._count_error()
            return
        for key, value in gauges(info):
            self.statsd.gauge(f"redis_stats.{key}", value)

    async def _info(self) -> Mapping[str, Any]:
        """Connect anew each time: that a server takes connections is part of what is asked."""
        async with asyncio.timeout(self.options.timeout), self._new_client() as client:
            info: Mapping[str, Any] = await client.info()
            return info

    def _new_client(self) -> Redis:
        timeout = self.options.timeout
        client: Redis = Redis.from_url(
            self.options.redis_url, socket_timeout=timeout, socket_connect_timeout=timeout
        )
        return client

    async def _count_error(self) -> None:
        self.statsd.increment("redis_stats.error")
        watcher = self.options.restart_on_timeout
        if watcher is not None and await self.restart(watcher):
            self.statsd.increment("redis_stats.restart_on_error")
