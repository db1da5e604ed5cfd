"""The daemon of the integration tests, for faults."""

from tests.integration.conftest import circusd

__all__ = ["circusd"]
