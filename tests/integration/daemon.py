"""The real circusd of the kit, under the names that the tests here use."""

from circus_core.testing.circusd import DEADLINE, Daemon, Event, Recorder, Watch, free_port, is_alive, until

__all__ = ["DEADLINE", "Daemon", "Event", "Recorder", "Watch", "free_port", "is_alive", "until"]
