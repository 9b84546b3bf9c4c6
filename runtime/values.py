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


@dataclass_transform(frozen_default=True)
def value(cls: type[_T]) -> type[_T]:
    """The class with its annotations as the fields of an immutable value, compared and hashed by them.

    Defaults are shared, so they must be values themselves. A ``__post_init__`` may refuse what it sees.
    """
    fields = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in fields if name in cls.__dict__}
    own = {name: entry for name, entry in cls.__dict__.items() if name not in {*fields, "__dict__", "__weakref__"}}
    metaclass: Any = type(cls)
    made: Any = metaclass(cls.__name__, cls.__bases__, _METHODS | own | {"__slots__": fields, "__match_args__": fields})
    made.__defaults__ = defaults
    made.__setters__ = tuple(made.__dict__[name].__set__ for name in fields)
    return made  # type: ignore[no-any-return]


def fields_of(instance: object) -> dict[str, Any]:
    """The fields and what they hold, in order."""
    return {name: getattr(instance, name) for name in type(instance).__match_args__}  # type: ignore[attr-defined]


def replace(instance: _T, **changes: Any) -> _T:
    """The same value but for these fields."""
    return type(instance)(**(fields_of(instance) | changes))


def _init(self: Any, *positional: object, **named: object) -> None:
    cls = type(self)
    contents = positional if len(positional) == len(cls.__setters__) else _complete(cls, positional, named)
    for put, content in zip(cls.__setters__, contents, strict=True):
        put(self, content)
    if hasattr(cls, "__post_init__"):
        self.__post_init__()


def _complete(cls: Any, positional: tuple[object, ...], named: dict[str, object]) -> list[object]:
    given = dict(zip(cls.__match_args__, positional, strict=False))
    unknown = named.keys() - cls.__match_args__
    if unknown or given.keys() & named.keys() or len(positional) > len(cls.__match_args__):
        raise TypeError(f"{cls.__name__}(): unexpected or repeated argument {', '.join(sorted(unknown or given))}")
    contents = cls.__defaults__ | given | named
    missing = [name for name in cls.__match_args__ if name not in contents]
    if missing:
        raise TypeError(f"{cls.__name__}(): {', '.join(missing)} missing")
    return [contents[name] for name in cls.__match_args__]


def _repr(self: object) -> str:
    inside = ", ".join(f"{name}={content!r}" for name, content in fields_of(self).items())
    return f"{type(self).__name__}({inside})"


def _contents(self: object) -> tuple[object, ...]:
    return tuple(fields_of(self).values())


def _eq(self: object, other: object) -> bool:
    return _contents(self) == _contents(other) if type(self) is type(other) else NotImplemented


def _refuse(self: object, name: str, *_: object) -> None:
    raise FrozenError(f"{type(self).__name__}.{name} cannot be changed")


_METHODS: dict[str, Any] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": lambda self: hash(_contents(self)),
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": lambda self: (type(self), _contents(self)),
}
