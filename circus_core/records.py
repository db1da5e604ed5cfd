"""The decorator `dataclass`, for a program that makes a hundred of them before it starts its first process.

That of the standard library compiles up to eight functions for each class: a third of the start of circusd in
Python 3.11. Here one is compiled, `__init__`; the others are the same for all classes. Fields, inheritance
and slots are left to `dataclasses`, whose functions (`fields`, `replace`, `asdict`) work as usual.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

_MISSING: Final = dataclasses.MISSING
_set: Final = object.__setattr__
_with_fields: Final[Callable[..., Any]] = dataclasses.dataclass


def _quick_dataclass(
    *, slots: bool, frozen: bool = False, kw_only: bool = False, eq: bool = True
) -> Callable[[type], Any]:
    """As in `dataclasses`, with slots always; not for what needs InitVar."""

    def decorate(body: type) -> Any:
        body.__doc__ = body.__doc__ or body.__name__  # else dataclasses makes a signature of it: slow
        with _bases_unfrozen(body):
            made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(
                body
            )
        made.__dataclass_params__.frozen = frozen  # for subclasses made by `dataclasses`
        for name, method in _methods(made, frozen=frozen, eq=eq):
            if name not in body.__dict__:
                setattr(made, name, method)
        return made

    return decorate


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    dataclass = _quick_dataclass


@contextmanager
def _bases_unfrozen(body: type) -> Iterator[None]:
    """`dataclasses` wants all or none of a family frozen by itself; this module does it in its place."""
    parameters = [
        base.__dataclass_params__ for base in body.__mro__[1:] if hasattr(base, "__dataclass_params__")
    ]
    frozen = [each for each in parameters if each.frozen]
    for each in frozen:
        each.frozen = False
    try:
        yield
    finally:
        for each in frozen:
            each.frozen = True


def _methods(made: Any, *, frozen: bool, eq: bool) -> Iterator[tuple[str, Any]]:
    fields = dataclasses.fields(made)
    values = _values([field.name for field in fields if field.compare])
    yield "__init__", _init(made, fields)
    yield "__repr__", _repr
    if eq:
        yield "__eq__", _eq(values)
        yield "__hash__", _hash(values) if frozen else None
    if frozen:
        yield from _FROZEN


def _init(made: Any, fields: Iterable[dataclasses.Field[Any]]) -> Callable[..., None]:
    """Compile `__init__(self, a, *, b=...)`, which puts each argument into its slot."""
    given = [field for field in fields if field.init]
    positional = [_parameter(field) for field in given if not field.kw_only]
    keywords = [_parameter(field) for field in given if field.kw_only]
    parameters = ["self", *positional, *(["*", *keywords] if keywords else [])]
    lines = [f" set_{field.name}(self, {_value(field)})" for field in fields if _is_set(field)]
    if hasattr(made, "__post_init__"):
        lines.append(" self.__post_init__()")
    names: dict[str, Any] = {"MISSING": _MISSING}
    for field in fields:
        names[f"set_{field.name}"] = getattr(made, field.name).__set__
        names[f"default_{field.name}"] = field.default
        names[f"make_{field.name}"] = field.default_factory
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), names)  # noqa: S102  our own text
    init: Callable[..., None] = names["__init__"]
    init.__qualname__, init.__module__ = f"{made.__qualname__}.__init__", made.__module__
    init.__annotations__ = {field.name: field.type for field in given} | {"return": None}
    return init


def _parameter(field: dataclasses.Field[Any]) -> str:
    if field.default is not _MISSING:
        return f"{field.name}=default_{field.name}"
    return field.name if field.default_factory is _MISSING else f"{field.name}=MISSING"


def _is_set(field: dataclasses.Field[Any]) -> bool:
    return field.init or field.default is not _MISSING or field.default_factory is not _MISSING


def _value(field: dataclasses.Field[Any]) -> str:
    name = field.name
    if field.default_factory is not _MISSING:
        return f"make_{name}() if {name} is MISSING else {name}" if field.init else f"make_{name}()"
    return name if field.init else f"default_{name}"


def _values(names: list[str]) -> Callable[[object], object]:
    """Return what takes these fields out of an object, to be compared."""
    return attrgetter(*names) if names else lambda _: ()


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(values: Callable[[object], object]) -> Callable[[object, object], bool]:
    def __eq__(self: object, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    return __eq__


def _hash(values: Callable[[object], object]) -> Callable[[object], int]:
    def __hash__(self: object) -> int:
        return hash(values(self))

    return __hash__


def _refuse_to_assign(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        _set(self, field.name, value)


_FROZEN: Final = (
    ("__setattr__", _refuse_to_assign),
    ("__delattr__", _refuse_to_delete),
    ("__getstate__", _state),  # for copy and pickle
    ("__setstate__", _set_state),
)
