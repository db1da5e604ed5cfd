"""The two decorators that tie plugins to the kernel."""

from __future__ import annotations

from pluggy import HookimplMarker, HookspecMarker

__all__ = ["hookimpl", "hookspec"]

hookspec = HookspecMarker("circus")
"""Marks a specification; only `circus_core.hookspecs` has any."""

hookimpl = HookimplMarker("circus")
"""Marks a plugin's implementation of a hook."""
