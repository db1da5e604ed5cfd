"""Futures as programs written for Circus 0.19 handle them."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tornado import gen

__all__ = [
    "TransformableFuture",
    "check_future_exception_and_log",
    "debuglog",
    "synchronized",
    "tornado_sleep",
]

_logger = logging.getLogger("circus")

_P = ParamSpec("_P")
_R = TypeVar("_R")


def check_future_exception_and_log(future: Any) -> BaseException | None:
    """Log and return the exception of a future that is done; None if there is none."""
    if not asyncio.isfuture(future) or not future.done() or future.cancelled():
        return None
    error = future.exception()
    if error is not None:
        _logger.error("exception %s caught", error)
        _logger.debug("where it happened:", exc_info=error)
    return error


def tornado_sleep(duration: float) -> Any:
    """Return what to await, or to yield, for a pause of so many seconds."""
    return gen.sleep(duration)


def synchronized(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate nothing: no operation refuses another one any more."""

    def unchanged(function: Callable[_P, _R]) -> Callable[_P, _R]:
        return function

    return unchanged


def debuglog(func: Callable[_P, _R]) -> Callable[_P, _R]:
    """Log when a function is called, and when it returns, for those who look at debug messages."""

    @functools.wraps(func)
    def logged(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _logger.debug("%s starts", func.__qualname__)
        try:
            return func(*args, **kwargs)
        finally:
            _logger.debug("%s ends", func.__qualname__)

    return logged


class TransformableFuture(asyncio.Future[Any]):
    """Has the result of another future, as a function makes it."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(loop=loop)
        self._transform: Callable[[Any], Any] = _same

    def set_transform_function(self, fn: Callable[[Any], Any]) -> None:
        """Have the result go through a function, before the other future is done."""
        self._transform = fn

    def set_upstream_future(self, upstream_future: asyncio.Future[Any]) -> None:
        """Follow another future."""
        upstream_future.add_done_callback(self._follow)

    def _follow(self, upstream: asyncio.Future[Any]) -> None:
        if self.done():
            return
        if upstream.cancelled():
            self.cancel()
            return
        try:
            self.set_result(self._transform(upstream.result()))
        except Exception as error:  # noqa: BLE001  it belongs to whoever waits
            self.set_exception(error)


def _same(result: Any) -> Any:
    return result
