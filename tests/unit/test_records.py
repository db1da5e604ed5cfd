"""A dataclass made by circus_core.records can't be told from one of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from circus_core import records


def family(dataclass: Callable[..., Any]) -> tuple[type[Any], type[Any]]:
    @dataclass(frozen=True, slots=True)
    class Base:
        kind: ClassVar[str] = "base"
        name: str
        tags: list[str] = dataclasses.field(default_factory=list, compare=False)

        @property
        def label(self) -> str:
            return f"{self.kind} {self.name}"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Derived(Base):
        """More of it."""

        kind: ClassVar[str] = "derived"
        size: int = 3
        weight: float
        seal: int = dataclasses.field(default=7, init=False, repr=False)

    return Base, Derived


OURS, THEIRS = family(records.dataclass), family(dataclasses.dataclass)


@records.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@records.dataclass(slots=True)
class Counter:
    count: int = 0


@pytest.mark.parametrize(("ours", "theirs"), [*zip(OURS, THEIRS, strict=True)])
def test_it_takes_the_same_arguments(ours: type[Any], theirs: type[Any]) -> None:
    asked, expected = (list(inspect.signature(each).parameters.values()) for each in (ours, theirs))
    assert [(each.name, each.kind, each.annotation) for each in asked] == [
        (each.name, each.kind, each.annotation) for each in expected
    ]
    assert [each.default is each.empty for each in asked] == [each.default is each.empty for each in expected]
    assert [each.name for each in dataclasses.fields(ours)] == [
        each.name for each in dataclasses.fields(theirs)
    ]
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__doc__ is not None


def test_it_looks_the_same() -> None:
    mine, other = (derived("a", weight=1.5) for _, derived in (OURS, THEIRS))
    assert repr(mine) == repr(other)
    assert mine.label == other.label == "derived a"
    assert dataclasses.asdict(mine) == dataclasses.asdict(other)
    assert not hasattr(mine, "__dict__")


def test_an_argument_that_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required keyword-only argument: 'weight'"):
        OURS[1]("a")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Point(1, colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'seal'"):
        OURS[1]("a", weight=1.0, seal=8)


def many_times(make: Callable[[], object]) -> list[object]:
    """The first objects of a class are filled by other code than those that follow."""
    return [make() for _ in range(30)]


def test_objects_do_not_depend_on_how_many_there_were() -> None:
    (mine, derived), (base, their_derived) = family(records.dataclass), THEIRS
    assert {repr(each) for each in many_times(lambda: mine("a"))} == {repr(base("a"))}
    assert {repr(each) for each in many_times(lambda: mine("a", ["x"]))} == {repr(base("a", ["x"]))}
    assert {repr(each) for each in many_times(lambda: mine(tags=[], name="a"))} == {repr(base("a", []))}
    expected = their_derived("a", ["x"], weight=1.5)
    made = many_times(lambda: derived("a", ["x"], weight=1.5))
    assert {repr(each) for each in made} == {repr(expected)}
    assert {getattr(each, "seal") for each in made} == {7}  # noqa: B009  it is an object
    assert len({id(getattr(each, "tags")) for each in many_times(lambda: derived("a", weight=1))}) == 30  # noqa: B009


@pytest.mark.parametrize("before", [0, 30])
def test_arguments_that_do_not_fit_are_refused_alike(before: int) -> None:
    words: list[Any] = [[], [1, 2, 3], [1, 2, 3, 4]]
    named: list[dict[str, Any]] = [{}, {"y": 5}, {"x": 1}, {"z": 1}, {"x": 1, "z": 1}]
    for values in words:
        for more in named:
            _, mine = family(records.dataclass)
            for _ in range(before):
                mine("a", weight=1.0)
            with pytest.raises(TypeError) as ours:
                mine(*values, **more)
            with pytest.raises(TypeError) as theirs:
                THEIRS[1](*values, **more)
            assert str(ours.value) == str(theirs.value)


def test_each_object_gets_a_default_of_its_own() -> None:
    base, _ = OURS
    first, second = base("a"), base("b")
    first.tags.append("x")
    assert (first.tags, second.tags) == (["x"], [])


def test_equal_values_of_one_class_are_equal_and_have_one_hash() -> None:
    base, derived = OURS
    assert base("a", ["x"]) == base("a", ["y"])  # tags are not compared
    assert hash(base("a", ["x"])) == hash(base("a", ["y"]))
    assert base("a") != base("b")
    assert base("a") != derived("a", weight=1.0)
    assert {Point(1, 2), Point(1, 2)} == {Point(1, 2)}
    assert Counter(1) == Counter(1)
    assert Counter(1) != Counter(2)


def test_what_is_frozen_can_not_be_changed_but_replaced() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'z'"):
        point.z = 2  # type: ignore[attr-defined]
    assert dataclasses.replace(point, y=5) == Point(1, 5)


def test_what_is_not_frozen_can_be_changed_and_has_no_hash() -> None:
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


@pytest.mark.parametrize("value", [Point(1, 2), Counter(3)])
def test_it_can_be_copied_and_pickled(value: object) -> None:
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value


def test_what_a_class_writes_itself_is_kept() -> None:
    @records.dataclass(slots=True, eq=False)
    class Odd:
        value: int
        seen: list[int] = dataclasses.field(default_factory=list)

        def __post_init__(self) -> None:
            self.seen.append(self.value)

        def __repr__(self) -> str:
            return "odd"

    assert repr(Odd(1)) == "odd"
    assert [getattr(each, "seen") for each in many_times(lambda: Odd(1))] == [[1]] * 30  # noqa: B009  an object
    assert Odd(1) != Odd(1)
    assert hash(Odd(1)) is not None


def test_the_standard_library_can_derive_from_it() -> None:
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Space(Point):
        z: int = 0

    assert Space(x=1, z=3) != Space(x=1, z=4)
    assert repr(Space(x=1, z=3)).endswith("Space(x=1, y=0, z=3)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Space(x=1).z = 2  # type: ignore[misc]


def test_it_can_derive_from_one_of_the_standard_library() -> None:
    base, _ = THEIRS

    @records.dataclass(frozen=True, slots=True)
    class Child(base):  # type: ignore[misc, valid-type]
        size: int = 1

    assert Child("a", size=2).size == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        base("a").name = "b"  # it is as frozen as before


def test_fields_and_replace_serve_classes_of_both_kinds() -> None:
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Space(Point):
        kind: ClassVar[str] = "space"
        z: int = 0

    class Plain(Space):
        pass

    for each in (Space, Plain, Plain(x=1)):
        assert [field.name for field in records.fields(each)] == ["x", "y", "z"]
    assert records.replace(Plain(x=1), z=2) == Plain(x=1, z=2)
    assert [field.name for field in records.fields(Point(1))] == ["x", "y"]
    assert records.replace(Point(1), y=5) == Point(1, 5)
    with pytest.raises(TypeError, match="has no fields"):
        records.fields(3)  # type: ignore[arg-type]


def test_a_default_that_all_objects_would_share_is_refused() -> None:
    with pytest.raises(ValueError, match="the default of 'tags' can be changed: use default_factory"):

        @records.dataclass(slots=True)
        class Shared:
            tags: list[str] = []  # noqa: RUF012


def test_the_kernel_makes_no_dataclass_in_the_slow_way() -> None:
    """Each costs 0.4 ms of every start; what is not loaded then may do as it likes."""
    kernel = Path(records.__file__).parent
    files = [each for each in kernel.rglob("*.py") if each.parent.name not in ("testing", "scaffold")]
    slow = re.compile(r"^from dataclasses import .*\bdataclass\b", re.MULTILINE)
    assert [each.name for each in files if slow.search(each.read_text())] == []
