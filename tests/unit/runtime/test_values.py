"""Values behave as frozen, slotted dataclasses do, without what those cost to import."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from runtime.values import FrozenError, Value, replace


class Point(Value):
    x: int
    y: int = 2

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x is negative")


def test_fields_come_by_position_by_name_and_by_default() -> None:
    assert Point(1, 2) == Point(x=1, y=2) == Point(1)
    assert Point(1) != Point(2)
    assert Point(1).__eq__(7) is NotImplemented


def test_a_value_says_what_it_is_and_is_hashed_by_its_fields() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert len({Point(1), Point(1, 2), Point(3)}) == 2


@pytest.mark.parametrize(("positional", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1})])
def test_wrong_arguments_are_refused(positional: tuple[int, ...], named: dict[str, int]) -> None:
    unchecked: Any = Point
    with pytest.raises(TypeError, match=r"Point\(\)"):
        unchecked(*positional, **named)


def test_nothing_can_be_changed_or_added() -> None:
    for name in ("x", "z"):
        with pytest.raises(FrozenError):
            setattr(Point(1), name, 5)
    with pytest.raises(FrozenError):
        del Point(1).x


def test_replace_makes_another_and_checks_it() -> None:
    assert replace(Point(1), y=9) == Point(1, 9)
    with pytest.raises(ValueError, match="negative"):
        replace(Point(1), x=-1)


def test_a_value_survives_pickling_and_matching() -> None:
    copy = pickle.loads(pickle.dumps(Point(4, 5)))  # noqa: S301 - our own bytes
    match copy:
        case Point(x, y):
            assert (x, y) == (4, 5)
