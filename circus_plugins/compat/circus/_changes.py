"""Differences between two mappings, and a mapping with attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["DictDiffer", "ObjectDict", "dict_differ"]


class DictDiffer:
    """Tells which keys of a mapping differ from those it had before."""

    def __init__(self, current_dict: Mapping[Any, Any], past_dict: Mapping[Any, Any]) -> None:
        self.current_dict = current_dict
        self.past_dict = past_dict

    def added(self) -> set[Any]:
        return set(self.current_dict) - set(self.past_dict)

    def removed(self) -> set[Any]:
        return set(self.past_dict) - set(self.current_dict)

    def changed(self) -> set[Any]:
        return {key for key in self._common() if self.current_dict[key] != self.past_dict[key]}

    def unchanged(self) -> set[Any]:
        return self._common() - self.changed()

    def _common(self) -> set[Any]:
        return set(self.current_dict) & set(self.past_dict)


def dict_differ(dict1: Mapping[Any, Any], dict2: Mapping[Any, Any]) -> bool:
    """Tell whether two mappings differ."""
    return dict1 != dict2


class ObjectDict(dict[str, Any]):
    """A mapping whose values are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value
