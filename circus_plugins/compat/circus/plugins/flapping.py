"""Flapping: stops a watcher whose processes die too often."""

from circus_flapping.plugin import Flapping

__all__ = ["Flapping"]
