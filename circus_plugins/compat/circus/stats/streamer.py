"""StatsStreamer: circusd-stats as an object."""

from __future__ import annotations

from tornado.ioloop import IOLoop

from circus_stats import Service, Settings

__all__ = ["StatsStreamer"]


class StatsStreamer:
    """Looks at the processes of a daemon on this machine and publishes what they cost."""

    def __init__(
        self,
        endpoint: str,
        pubsub_endoint: str,
        stats_endpoint: str,
        ssh_server: str | None = None,
        delay: float = 1.0,
        loop: IOLoop | None = None,
    ) -> None:
        """Keep what is given.

        Args:
            delay: seconds between two looks.
            loop: where it runs; one of its own if there is none.

        Raises:
            ValueError: there is an ssh_server.
        """
        if ssh_server is not None:
            raise ValueError("it looks at processes of its own machine: run it there, and read it by ssh")
        self.loop = loop or IOLoop(make_current=False)
        self._service = Service(
            Settings(endpoint=endpoint, pubsub=pubsub_endoint, statspoint=stats_endpoint, interval=delay)
        )

    def start(self) -> None:
        """Run until `stop`, or until the daemon has gone; blocks.

        Raises:
            CircusError: the daemon can't be reached, or the endpoint can't be opened.
        """
        self.loop.run_sync(self._service.run)

    def stop(self) -> None:
        """End soon; from any thread."""
        self.loop.add_callback(self._service.stop)
