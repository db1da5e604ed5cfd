"""The publisher of circusd-stats."""

from circus._gone import refuse

refuse(
    __name__,
    "it let everybody listen: publish with circus_core.GuardedPublisher",
)
