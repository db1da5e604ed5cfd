"""Stops a watcher whose processes die too often."""

__all__: list[str] = []
