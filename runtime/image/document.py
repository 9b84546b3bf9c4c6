"""A JSON object and where it stands, so that an error can name the place: ``NAME: layers[2].digest: …``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from runtime.image.errors import InvalidDocument

# The image-spec wants registries to take manifests of 4 MiB; nothing that is parsed here is larger.
MAX_DOCUMENT_BYTES = 4 << 20


def encode(value: dict[str, Any]) -> bytes:
    """The one byte sequence for ``value``: the same value always has the same digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object: ``name`` says which file or blob, ``path`` where in it. Absent and null are the same."""

    value: dict[str, Any]
    name: str
    path: str = ""

    @classmethod
    def parse(cls, content: bytes, name: str) -> Self:
        """The object in ``content``; raises `InvalidDocument` naming ``name``."""
        try:
            # Python's parser takes NaN, and recurses; JSON has no NaN, and images no deep nesting.
            value = json.loads(content.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidDocument(f"{name}: not JSON: {error}") from error
        if not isinstance(value, dict):
            raise InvalidDocument(f"{name}: expected an object, not {_kind(value)}")
        return cls(value, name)

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise `InvalidDocument` for the member ``key``."""
        raise InvalidDocument(f"{self.name}: {self._place(key)}: {problem}")

    def has(self, key: str) -> bool:
        """Whether there is a member ``key`` other than null."""
        return self.value.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """The string ``key``; without a default it must be there."""
        value: str = self._typed(key, str, "a string", default)
        return value

    def number(self, key: str) -> int:
        """The whole number ``key``, not negative."""
        value: int = self._typed(key, int, "a whole number", None)
        if isinstance(value, bool) or not 0 <= value < 1 << 63:
            self.fail(key, f"expected a whole number of 0 or more, not {value}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The array of strings ``key``; empty if absent."""
        items: list[Any] = self._typed(key, list, "an array", [])
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.fail(f"{key}[{index}]", f"expected a string, not {_kind(item)}")
        return tuple(items)

    def mapping(self, key: str) -> dict[str, str]:
        """The object of strings ``key``; empty if absent."""
        items: dict[str, Any] = self._typed(key, dict, "an object", {})
        for name, item in items.items():
            if not isinstance(item, str):
                self.fail(f"{key}.{name}", f"expected a string, not {_kind(item)}")
        return dict(items)

    def names(self, key: str) -> tuple[str, ...]:
        """The member names of the object ``key``, sorted: how the image-spec writes a set."""
        items: dict[str, Any] = self._typed(key, dict, "an object", {})
        return tuple(sorted(items))

    def child(self, key: str) -> Document:
        """The object ``key``; an empty one if absent."""
        return Document(self._typed(key, dict, "an object", {}), self.name, self._place(key))

    def children(self, key: str) -> tuple[Document, ...]:
        """The array of objects ``key``; empty if absent."""
        items: list[Any] = self._typed(key, list, "an array", [])
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                self.fail(f"{key}[{index}]", f"expected an object, not {_kind(item)}")
        return tuple(Document(item, self.name, self._place(f"{key}[{i}]")) for i, item in enumerate(items))

    def _place(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _typed(self, key: str, kind: type[Any], expected: str, default: Any) -> Any:
        value = self.value.get(key)
        if value is None:
            if default is None:
                self.fail(key, "missing")
            return default
        if not isinstance(value, kind):
            self.fail(key, f"expected {expected}, not {_kind(value)}")
        return value


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
