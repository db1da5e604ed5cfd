"""The collectors of circusd-stats."""

from circus._gone import refuse

refuse(
    __name__,
    "circusd-stats looks at all processes at once: add figures with the hook extended_stats, "
    "read them with circus_stats.StatsClient",
)
