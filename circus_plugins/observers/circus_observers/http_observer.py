"""Asks a web site every now and then whether it is there."""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from circus_observers.observer import Observer
from circus_observers.options import ObserverOptions
from circus_observers.sections import HttpOptions

__all__ = ["HttpObserver"]

_logger = logging.getLogger("circus")

_NO_ANSWER = 599


class HttpObserver(Observer[HttpOptions]):
    """Measures how long a URL takes, counts errors, and restarts a watcher if there is one."""

    name = "http_observer"
    options_class: ClassVar[type[ObserverOptions]] = HttpOptions

    def handle_init(self) -> None:
        self._client = SimpleAsyncHTTPClient(force_instance=True)
        super().handle_init()

    def handle_stop(self) -> None:
        super().handle_stop()
        self._client.close()

    async def look_after(self) -> None:
        code, took = await self._fetch()
        if 200 <= code < 300:
            self.statsd.timed("http_stats.request_time", round(1000 * took))
            return
        self.statsd.increment("http_stats.error")
        self.statsd.increment(f"http_stats.error.{code}")
        watcher = self.options.restart_on_error
        if watcher is not None and await self.restart(watcher):
            self.statsd.increment("http_stats.restart_on_error")

    async def _fetch(self) -> tuple[int, float]:
        """Return the status, 599 if there was no answer, and the seconds until its end."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self.options.timeout or None):
                response = await self._client.fetch(self._request(), raise_error=False)
        except (OSError, TimeoutError, HTTPClientError, ValueError) as error:
            _logger.warning("%s: %s: %s", self.name, self.options.check_url, _in_words(error))
            return _NO_ANSWER, 0.0
        if response.error is not None:
            _logger.warning("%s: %s: %s", self.name, self.options.check_url, _in_words(response.error))
        return response.code, loop.time() - started

    def _request(self) -> HTTPRequest:
        """The body is read and thrown away, however long it is."""
        return HTTPRequest(
            self.options.check_url,
            connect_timeout=self.options.timeout,
            request_timeout=self.options.timeout,
            streaming_callback=lambda chunk: None,
        )


def _in_words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
