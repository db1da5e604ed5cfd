"""Replaces processes that give no sign of life."""

__all__: list[str] = []
