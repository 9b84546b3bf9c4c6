"""Take values out of decoded JSON, one by one, with their place in the file for the error message.

A property that is null is one that is absent, as Go's encoding/json has it, with which all callers write the file; one
that nobody asks for is ignored ("Extensibility" in config.md).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, TypeVar

    _T = TypeVar("_T")

U16 = (0, (1 << 16) - 1)
U32 = (0, (1 << 32) - 1)
U64 = (0, (1 << 64) - 1)
I32 = (-(1 << 31), (1 << 31) - 1)
I64 = (-(1 << 63), (1 << 63) - 1)
ID = (0, (1 << 32) - 2)
"""A user or group: the last number means *leave it as it is* (setresuid(2))."""

_LONGEST = 60


class SpecError(ValueError):
    """A property of a file is not what the specification wants: ``path`` says which, ``problem`` why."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


def show(value: object) -> str:
    """A decoded JSON value for a message: short, and on one line."""
    if isinstance(value, str):
        text = repr(value if len(value) <= _LONGEST else value[:_LONGEST] + "…")[1:-1]
        return f'"{text}"'
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else "a number of many digits"
    if isinstance(value, float):
        return repr(value)
    return "an object" if isinstance(value, dict) else "an array"


def text_of(value: object, path: str) -> str:
    """A string that the kernel can be given: no NUL in it, and bytes once it is encoded."""
    if not isinstance(value, str):
        raise SpecError(path, f"expected a string, got {show(value)}")
    if "\0" in value:
        raise SpecError(path, f"{show(value)} has a NUL byte in it")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise SpecError(path, f"{show(value)} is no Unicode text") from None
    return value


def number_of(value: object, path: str, bounds: tuple[int, int]) -> int:
    """An integer within the bounds; true, false and 1.0 are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(path, f"expected an integer, got {show(value)}")
    low, high = bounds
    if not low <= value <= high:
        raise SpecError(path, f"{show(value)} is not within {low} and {high}")
    return value


class Reader:
    """An object of the file."""

    __slots__ = ("_properties", "path")

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise SpecError(path, f"expected an object, got {show(value)}")
        self._properties = value
        self.path = path

    def at(self, name: str) -> str:
        """Where a property of this name is."""
        return f"{self.path}.{name}" if self.path else name

    def error(self, name: str, problem: str) -> SpecError:
        """An error about the property of this name."""
        return SpecError(self.at(name), problem)

    def get(self, name: str) -> Any:
        """As it was decoded; None when absent."""
        return self._properties.get(name)

    def string(self, name: str) -> str | None:
        """None when absent or empty: what is empty was not asked for."""
        value = self.get(name)
        return None if value is None else text_of(value, self.at(name)) or None

    def required_string(self, name: str) -> str:
        """Neither absent nor empty."""
        value = text_of(self._required(name), self.at(name))
        if not value:
            raise self.error(name, "is empty")
        return value

    def absolute_path(self, name: str) -> str:
        """A path that must be there and start with a slash."""
        value = self.required_string(name)
        if not value.startswith("/"):
            raise self.error(name, f"{show(value)} is no absolute path")
        return value

    def choice(self, name: str, choices: Collection[str], what: str) -> str:
        """One of several words, which must be there; ``what`` completes *is no*."""
        value = self.required_string(name)
        if value not in choices:
            raise self.error(name, f"{show(value)} is no {what}")
        return value

    def choices(self, name: str, choices: Collection[str], what: str) -> tuple[str, ...]:
        """An array of such words, which may be absent."""
        values = self.strings(name)
        for index, value in enumerate(values):
            if value not in choices:
                raise self.error(f"{name}[{index}]", f"{show(value)} is no {what}")
        return values

    def boolean(self, name: str) -> bool | None:
        """None when absent."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.error(name, f"expected true or false, got {show(value)}")

    def flag(self, name: str) -> bool:
        """False when absent."""
        return bool(self.boolean(name))

    def integer(self, name: str, bounds: tuple[int, int]) -> int | None:
        """None when absent."""
        value = self.get(name)
        return None if value is None else number_of(value, self.at(name), bounds)

    def required_integer(self, name: str, bounds: tuple[int, int]) -> int:
        """Not absent."""
        return number_of(self._required(name), self.at(name), bounds)

    def strings(self, name: str) -> tuple[str, ...]:
        """An array of strings; empty when absent."""
        return self._array(name, text_of)

    def absolute_paths(self, name: str) -> tuple[str, ...]:
        """An array of paths that start with a slash."""
        values = self.strings(name)
        for index, value in enumerate(values):
            if not value.startswith("/"):
                raise self.error(f"{name}[{index}]", f"{show(value)} is no absolute path")
        return values

    def integers(self, name: str, bounds: tuple[int, int]) -> tuple[int, ...]:
        """An array of integers; empty when absent."""
        return self._array(name, lambda value, path: number_of(value, path, bounds))

    def child(self, name: str) -> Reader | None:
        """None when absent."""
        value = self.get(name)
        return None if value is None else Reader(value, self.at(name))

    def raw_object(self, name: str) -> dict[str, Any] | None:
        """An object for someone else to read."""
        reader = self.child(name)
        return None if reader is None else reader._properties  # noqa: SLF001 - of the same class

    def objects(self, name: str) -> tuple[Reader, ...]:
        """An array of objects; empty when absent."""
        return self._array(name, Reader)

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """An object whose keys are free and whose values are strings."""
        return tuple((key, text_of(value, path)) for key, path, value in self._entries(name))

    def named_objects(self, name: str) -> tuple[tuple[str, Reader], ...]:
        """An object whose keys are free and whose values are objects."""
        return tuple((key, Reader(value, path)) for key, path, value in self._entries(name))

    def _required(self, name: str) -> object:
        value = self.get(name)
        if value is None:
            raise self.error(name, "is missing")
        return value

    def _array(self, name: str, read: Callable[[object, str], _T]) -> tuple[_T, ...]:
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.error(name, f"expected an array, got {show(value)}")
        return tuple(read(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value))

    def _entries(self, name: str) -> list[tuple[str, str, object]]:
        entries = []
        for key, value in (self.raw_object(name) or {}).items():
            path = f"{self.at(name)}[{show(key)}]"
            if not text_of(key, path):
                raise self.error(name, "has an empty key")
            entries.append((key, path, value))
        return entries
