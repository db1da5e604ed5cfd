"""`circus.fixed_threading`: the names of Python's own threading."""

from threading import RLock, Thread, Timer, get_ident

__all__ = ["RLock", "Thread", "Timer", "get_ident"]
