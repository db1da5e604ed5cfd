"""The decorator `dataclass`, for programs that make a hundred of them before they do their first work.

That of the standard library compiles up to eight functions for each class, and takes `inspect` along: a
third of the start of circusd in Python 3.11, a fifth of that of circusctl. Here the methods are the same for
all classes but for `__init__`, which is compiled where a class has more than a few objects; and `dataclasses`
is imported when somebody asks it about a class. Its functions (`fields`, `replace`, `asdict`) work as usual,
and a class of either kind can derive from one of the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass", "field", "fields", "replace"]

_OURS: Final = "__record_fields__"
_THEIRS: Final = ("__dataclass_fields__", "__dataclass_params__")
_MISSING: Final = object()
_FEW: Final = 10
"""Objects of a class that take no longer than to compile its `__init__`."""
_set: Final = object.__setattr__


class _Field:
    """One field; attributes as those of `dataclasses.Field`."""

    __slots__ = ("compare", "default", "default_factory", "hash", "init", "kw_only", "name", "repr", "type")

    name: str
    type: Any

    def __init__(
        self,
        *,
        default: Any = _MISSING,
        default_factory: Any = _MISSING,
        init: bool = True,
        repr: bool = True,
        hash: bool | None = None,
        compare: bool = True,
        kw_only: bool | None = None,
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.hash = hash
        self.compare = compare
        self.kw_only = kw_only


def _dataclass(
    *, slots: bool, frozen: bool = False, kw_only: bool = False, eq: bool = True
) -> Callable[[type], Any]:
    """As in `dataclasses`, with slots always; not for what needs InitVar or KW_ONLY."""
    if not slots:
        raise TypeError("records have slots")

    def decorate(body: type) -> Any:
        found = _all_fields(body, kw_only=kw_only)
        return _with_slots(body, found, dict(_methods(found, frozen=frozen, eq=eq)))

    return decorate


def _fields(record: object) -> tuple[_Field, ...]:
    """Return the fields of a class or of an object, also of one whose class was made by `dataclasses`."""
    for each in (record if isinstance(record, type) else type(record)).__mro__:
        found = _fields_of(each)
        if found is not None:
            return found
    raise TypeError(f"{record!r} has no fields")


def _replace(self: Any, /, **changes: Any) -> Any:
    """Return a new object with other values for these fields."""
    for each in _fields(self):
        if each.init and each.name not in changes:
            changes[each.name] = getattr(self, each.name)
    return type(self)(**changes)


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
else:
    dataclass, field, fields, replace = _dataclass, _Field, _fields, _replace


# Fields


def _fields_of(cls: type) -> tuple[Any, ...] | None:
    """Return the fields of a class, and None if no decorator has made it."""
    names = cls.__dict__
    if _OURS in names:
        return tuple(names[_OURS])
    if _THEIRS[0] not in names:
        return None
    import dataclasses  # it has made this class, and so is there

    return dataclasses.fields(cls)


def _all_fields(body: type, *, kw_only: bool) -> dict[str, _Field]:
    """Return the fields of a class that is being made, those of its bases first."""
    found: dict[str, _Field] = {}
    for base in body.__mro__[-1:0:-1]:
        found.update((each.name, _as_ours(each)) for each in _fields_of(base) or ())
    for name, kind in body.__annotations__.items():
        if not _is_of_the_class(kind):
            found[name] = _declared(body, name, kind, kw_only=kw_only)
    return found


def _is_of_the_class(kind: object) -> bool:
    return str(kind).startswith(("ClassVar", "typing.ClassVar"))


def _declared(body: type, name: str, kind: Any, *, kw_only: bool) -> _Field:
    given = _as_ours(body.__dict__.get(name, _MISSING))
    declared = given if isinstance(given, _Field) else _Field(default=given)
    if getattr(declared.default, "__hash__", _MISSING) is None:
        raise ValueError(f"the default of {name!r} can be changed: use default_factory")
    declared.name, declared.type = name, kind
    if declared.kw_only is None:
        declared.kw_only = kw_only
    return declared


def _as_ours(given: Any) -> Any:
    """Return a field of `dataclasses` as one of ours, and all else as it is."""
    standard: Any = sys.modules.get("dataclasses")
    if standard is None or not isinstance(given, standard.Field):
        return given
    names = ("default", "default_factory", "init", "repr", "hash", "compare", "kw_only")
    values = {name: getattr(given, name) for name in names}
    made = _Field(**{name: value for name, value in values.items() if value is not standard.MISSING})
    made.name, made.type = given.name, given.type
    return made


# The class


def _with_slots(body: type, found: Mapping[str, _Field], methods: Mapping[str, Any]) -> Any:
    """Make the class anew, since there is no other way to slots."""
    names = {name: value for name, value in body.__dict__.items() if name not in found}
    names.pop("__dict__", None)
    names.pop("__weakref__", None)
    inherited = {name for base in body.__mro__[1:-1] for name in _slots_of(base)}
    names.update(
        {name: value for name, value in methods.items() if name not in names},
        __doc__=body.__doc__ or body.__name__,
        __qualname__=body.__qualname__,
        __slots__=tuple(name for name in found if name not in inherited),
    )
    return type(body)(body.__name__, body.__bases__, names)


def _slots_of(base: type) -> tuple[str, ...]:
    slots = base.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _methods(found: Mapping[str, _Field], *, frozen: bool, eq: bool) -> Iterator[tuple[str, Any]]:
    yield _OURS, tuple(found.values())
    for name in _THEIRS:
        yield name, _Standard(frozen=frozen)
    yield "__match_args__", tuple(each.name for each in found.values() if each.init and not each.kw_only)
    yield "__init__", _Init(tuple(found.values()))
    yield "__repr__", _repr
    yield "__replace__", _replace
    if eq:
        values = _values([each.name for each in found.values() if each.compare])
        yield "__eq__", _eq(values)
        yield "__hash__", _hash(values) if frozen else None
    if frozen:
        yield from _FROZEN


class _Standard:
    """What `dataclasses` keeps of a class: made as soon as it, or who knows it, looks for it."""

    def __init__(self, *, frozen: bool) -> None:
        self._frozen = frozen

    def __set_name__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        import dataclasses  # needs inspect, a fifth of the start of circusctl

        made = dataclasses.make_dataclass(
            self._owner.__name__,
            [(each.name, each.type, _standard_field(each)) for each in getattr(self._owner, _OURS)],
            namespace={"__doc__": self._owner.__doc__},  # else it makes a signature of it: slow
            init=False,
            repr=False,
            eq=False,
            frozen=self._frozen,
        )
        for name in _THEIRS:
            setattr(self._owner, name, getattr(made, name))
        return getattr(self._owner, self._name)


def _standard_field(given: _Field) -> Any:
    import dataclasses

    names = ("default", "default_factory", "init", "repr", "hash", "compare", "kw_only")
    values = {name: getattr(given, name) for name in names}
    make: Callable[..., Any] = dataclasses.field
    return make(**{name: value for name, value in values.items() if value is not _MISSING})


# Methods


class _Init:
    """Fills the first objects of a class field by field; then compiles `__init__`, and is replaced by it."""

    def __init__(self, found: tuple[_Field, ...]) -> None:
        self._found = found
        self._left = _FEW

    def __set_name__(self, owner: Any, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if self._left <= 0 or not isinstance(instance, self._owner):  # inspect.signature gives the class
            return self._compiled().__get__(instance, owner)
        self._left -= 1
        return partial(self._fill, instance)

    def _compiled(self) -> Any:
        init: Any = _init(self._owner, self._found)
        self._owner.__init__ = init
        return init

    def _fill(self, record: Any, /, *values: Any, **named: Any) -> None:
        given = self._given(values, named)
        if given is None:  # what was compiled says why
            self._compiled()(record, *values, **named)
            return
        for each in self._found:
            if each.name in given:
                _set(record, each.name, given[each.name])
            elif each.default is not _MISSING:
                _set(record, each.name, each.default)
            elif each.default_factory is not _MISSING:
                _set(record, each.name, each.default_factory())
        if hasattr(self._owner, "__post_init__"):
            record.__post_init__()

    def _given(self, values: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return arguments by name, None if they don't fit."""
        wanted = [each for each in self._found if each.init]
        positional = [each.name for each in wanted if not each.kw_only]
        given = {**dict(zip(positional, values, strict=False)), **named}
        needed = {each.name for each in wanted if each.default is each.default_factory}  # both are missing
        is_fit = len(given) == len(values) + len(named) and needed <= given.keys() <= {
            each.name for each in wanted
        }
        return given if is_fit else None


def _init(made: Any, found: tuple[_Field, ...]) -> Callable[..., None]:
    """Compile `__init__(self, a, *, b=...)`, which puts each argument into its slot."""
    given = [each for each in found if each.init]
    positional = [_parameter(each) for each in given if not each.kw_only]
    keywords = [_parameter(each) for each in given if each.kw_only]
    parameters = ["self", *positional, *(["*", *keywords] if keywords else [])]
    lines = [f" set_{each.name}(self, {_value(each)})" for each in found if _is_set(each)]
    if hasattr(made, "__post_init__"):
        lines.append(" self.__post_init__()")
    names: dict[str, Any] = {"MISSING": _MISSING}
    for each in found:
        names[f"set_{each.name}"] = getattr(made, each.name).__set__
        names[f"default_{each.name}"] = each.default
        names[f"make_{each.name}"] = each.default_factory
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), names)  # noqa: S102  our own text
    init: Callable[..., None] = names["__init__"]
    init.__qualname__, init.__module__ = f"{made.__qualname__}.__init__", made.__module__
    init.__annotations__ = {each.name: each.type for each in given} | {"return": None}
    return init


def _parameter(each: _Field) -> str:
    if each.default is not _MISSING:
        return f"{each.name}=default_{each.name}"
    return each.name if each.default_factory is _MISSING else f"{each.name}=MISSING"


def _is_set(each: _Field) -> bool:
    return each.init or each.default is not _MISSING or each.default_factory is not _MISSING


def _value(each: _Field) -> str:
    name = each.name
    if each.default_factory is not _MISSING:
        return f"make_{name}() if {name} is MISSING else {name}" if each.init else f"make_{name}()"
    return name if each.init else f"default_{name}"


def _values(names: list[str]) -> Callable[[object], object]:
    """Return what takes these fields out of an object, to be compared."""
    return attrgetter(*names) if names else lambda _: ()


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _fields(self) if each.repr)
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
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in _fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(_fields(self), state, strict=True):
        _set(self, each.name, value)


_FROZEN: Final = (
    ("__setattr__", _refuse_to_assign),
    ("__delattr__", _refuse_to_delete),
    ("__getstate__", _state),  # for copy and pickle
    ("__setstate__", _set_state),
)
