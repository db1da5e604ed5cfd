"""What the kernel promises to call, and when: one function per hook, one module per family.

A plugin marks its functions with `hookimpl` and lets an entry point of the group `circus` name the module
or object that holds them. `docs/hooks.md` is made from the docstrings here.
"""

from __future__ import annotations

from circus_core.hookspecs import arbiter, configuration, control, observation, process, sockets, watcher
from circus_core.hookspecs.markers import hookimpl, hookspec
from circus_core.hookspecs.verdict import ALLOWED, Answer, Verdict

__all__ = ["ALLOWED", "SPECS", "Answer", "Verdict", "hookimpl", "hookspec"]

SPECS = (configuration, arbiter, watcher, process, sockets, observation, control)
"""The modules that hold the specifications, in the order of the documentation."""
