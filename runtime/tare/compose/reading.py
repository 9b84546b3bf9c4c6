"""Values of a Compose file, read with their place, so that an error says where: ``services.web.ports[0]: …``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.tare.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Reading:
    """A mapping of the file, of which every key has to be known; ``x-…`` is anybody's own."""

    def __init__(self, content: Any, where: str, known: Iterable[str]) -> None:
        if content is None:
            content = {}
        if not isinstance(content, dict):
            raise CommandError(f"{where}: must be a mapping")
        self._content, self.where = content, where
        allowed = frozenset(known)
        for name in content:
            if name not in allowed and not str(name).startswith("x-"):
                raise CommandError(f"{self.at(str(name))}: is not supported")

    def at(self, name: str) -> str:
        """The place of one of its values."""
        return f"{self.where}.{name}" if self.where else name

    def raw(self, name: str) -> Any:
        """As YAML has it; None when absent."""
        return self._content.get(name)

    def text(self, name: str) -> str:
        """A text or a number as text; empty when absent."""
        return scalar(self.raw(name), self.at(name))

    def flag(self, name: str) -> bool:
        """True or false; false when absent."""
        content = self.raw(name)
        if content is None or isinstance(content, bool):
            return bool(content)
        if content in {"true", "false"}:  # as an interpolated variable is
            return bool(content == "true")
        raise CommandError(f"{self.at(name)}: must be true or false")

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one alone; empty when absent."""
        content = self.raw(name)
        if content is None:
            return ()
        items = content if isinstance(content, list) else [content]
        return tuple(scalar(item, f"{self.at(name)}[{number}]") for number, item in enumerate(items))

    def pairs(self, name: str, separator: str = "=") -> tuple[tuple[str, str | None], ...]:
        """A mapping, or a list of ``NAME=VALUE``; a name without a value has None."""
        content = self.raw(name)
        if isinstance(content, dict):
            return tuple((str(key), _or_none(item, f"{self.at(name)}.{key}")) for key, item in content.items())
        return tuple(_pair(text, separator) for text in self.texts(name))

    def words(self, name: str) -> tuple[str, ...] | None:
        """A command: a list, or a text that is split as a shell would; None when absent."""
        content = self.raw(name)
        if content is None:
            return None
        if isinstance(content, list):
            return self.texts(name)
        import shlex

        try:
            return tuple(shlex.split(scalar(content, self.at(name))))
        except ValueError as error:
            raise CommandError(f"{self.at(name)}: {str(error).lower()}") from None

    def mappings(self, name: str) -> tuple[tuple[str, Any], ...]:
        """The entries of a mapping; empty when absent."""
        content = self.raw(name)
        if content is None:
            return ()
        if not isinstance(content, dict):
            raise CommandError(f"{self.at(name)}: must be a mapping")
        return tuple((str(key), item) for key, item in content.items())


def scalar(content: Any, where: str) -> str:
    """The text of a text, a number or a truth value; empty for none."""
    if content is None:
        return ""
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, str | int | float):
        return str(content)
    raise CommandError(f"{where}: must be a text or a number")


def _or_none(content: Any, where: str) -> str | None:
    return None if content is None else scalar(content, where)


def _pair(text: str, separator: str) -> tuple[str, str | None]:
    name, found, value = text.partition(separator)
    return name, value if found else None
