"""Frozen, slotted values with the cost of a plain class.

`dataclasses` imports `inspect` and compiles source for every class: together more than a cold command of the runtime
takes for all the rest. Type checkers see the same thing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    _T = TypeVar("_T")
else:

    def dataclass_transform(**_: object) -> Callable[[Any], Any]:
        """What only type checkers read."""
        return lambda decorated: decorated


class FrozenError(AttributeError):
    """Somebody tried to change a value."""


class ValueType(type):
    """Makes the annotations of a class its slots, before it is made: afterwards would be a second class."""

    __fields__: tuple[str, ...]
    __defaults__: dict[str, Any]
    __setters__: tuple[Callable[[object, object], None], ...]

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> ValueType:  # noqa: D102
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        made = super().__new__(cls, name, bases, namespace | {"__slots__": fields, "__match_args__": fields})
        made.__fields__ = fields
        made.__defaults__ = defaults
        made.__setters__ = tuple([made.__dict__[field].__set__ for field in fields])
        return made


@dataclass_transform(frozen_default=True)
class Value(metaclass=ValueType):
    """A class that inherits this has its annotations as the fields of an immutable value, compared and hashed by them.

    Defaults are shared, so they must be values themselves. A ``__post_init__`` may refuse what it sees. A value's class
    is not inherited from any further: it has the fields that stand in it.
    """

    if not TYPE_CHECKING:  # which know it by the fields

        def __init__(self, *positional: object, **named: object) -> None:
            cls = type(self)
            contents = positional if len(positional) == len(cls.__setters__) else _complete(cls, positional, named)
            for put, content in zip(cls.__setters__, contents, strict=True):
                put(self, content)
            if hasattr(cls, "__post_init__"):
                self.__post_init__()

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={content!r}" for name, content in fields_of(self).items())
        return f"{type(self).__name__}({inside})"

    def __eq__(self, other: object) -> bool:
        return _contents(self) == _contents(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash(_contents(self))

    def __setattr__(self, name: str, _: object) -> None:
        raise FrozenError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise FrozenError(f"{type(self).__name__}.{name} cannot be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _contents(self)


def fields_of(instance: object) -> dict[str, Any]:
    """The fields and what they hold, in order."""
    return {name: getattr(instance, name) for name in type(instance).__fields__}  # type: ignore[attr-defined]


def replace(instance: _T, **changes: Any) -> _T:
    """The same value but for these fields."""
    return type(instance)(**(fields_of(instance) | changes))


def _contents(self: object) -> tuple[object, ...]:
    return tuple(fields_of(self).values())


def _complete(cls: ValueType, positional: tuple[object, ...], named: dict[str, object]) -> list[object]:
    fields = cls.__fields__
    given = dict(zip(fields, positional, strict=False))
    unknown = named.keys() - fields
    if unknown or given.keys() & named.keys() or len(positional) > len(fields):
        raise TypeError(f"{cls.__name__}(): unexpected or repeated argument {', '.join(sorted(unknown or given))}")
    contents = cls.__defaults__ | given | named
    missing = [name for name in fields if name not in contents]
    if missing:
        raise TypeError(f"{cls.__name__}(): {', '.join(missing)} missing")
    return [contents[name] for name in fields]
