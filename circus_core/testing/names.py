"""What is installed, to run the contracts over."""

from __future__ import annotations

from importlib.metadata import entry_points

__all__ = ["installed"]


def installed(namespace: str) -> list[str]:
    """Return the names in a namespace such as `circus.plugins`, one for each class.

    Names without a dot come before dotted ones of the same class, which are mostly old ones.
    """
    by_class: dict[str, str] = {}
    for entry in sorted(entry_points(group=namespace), key=lambda entry: ("." in entry.name, entry.name)):
        by_class.setdefault(entry.value, entry.name)
    return sorted(by_class.values())
