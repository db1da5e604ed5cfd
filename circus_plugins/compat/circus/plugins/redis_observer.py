"""RedisObserver: looks at a Redis server."""

from circus.plugins.overriding import ReceivingPlugin
from circus_observers.redis_observer import RedisObserver as CoreRedisObserver

__all__ = ["RedisObserver"]


class RedisObserver(ReceivingPlugin, CoreRedisObserver):
    """See circus_observers.redis_observer."""
