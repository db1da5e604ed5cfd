"""Modules that others import at their top and circusd seldom needs: each is loaded when something asks it.

Nobody sees a difference but in time and memory. importlib.util.LazyLoader is not what does it: with that in
Python 3.11 a second `import` of a module loads it, and asyncio has several for ssl.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.abc import Loader

__all__ = ["load_late"]

_LOADING: Final = threading.RLock()


def load_late(*names: str) -> None:
    """Let these modules, when they are imported, be empty until their first use. For a program, once."""
    sys.meta_path.insert(0, _Finder(names))


class _Finder:
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LateLoader(spec.loader)  # type: ignore[assignment]  # its base class costs 1 MiB
        return spec


class _LateLoader:
    """Leaves a module empty that knows who fills it."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _LateModule


class _LateModule(ModuleType):
    """Empty until a name is looked for that it has not."""

    def __getattr__(self, name: str) -> Any:
        with _LOADING:  # other threads wait until it is whole
            if isinstance(self.__loader__, _LateLoader):
                _fill(self, self.__loader__)
            elif type(self) is _LateModule:
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet")
        return getattr(self, name)


def _fill(module: ModuleType, late: _LateLoader) -> None:
    """Run its code. If that fails, the next use tries again, as an import does."""
    module.__loader__ = late.loader
    try:
        late.loader.exec_module(module)
    except BaseException:
        module.__loader__ = late  # type: ignore[assignment]
        raise
    if module.__spec__ is not None:
        module.__spec__.loader = late.loader
    module.__class__ = ModuleType
