"""Variables in the texts of a Compose file (Compose specification, "Interpolation").

``$NAME`` and ``${NAME}`` are the variable, empty if it is not set; ``${NAME:-D}`` and ``${NAME-D}`` are D where it is
empty or not set, or only not set; ``:?`` and ``?`` refuse there, with what follows as the message; ``:+`` and ``+`` are
what follows where it is there. ``$$`` is a dollar. What follows may hold variables, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runtime.tare.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEPTH = 32
_NODES = 100_000
_START = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?P<how>:?[-?+]|\}))", re.ASCII
)


def interpolate(document: Any, variables: Mapping[str, str]) -> Any:
    """The document with every text in it interpolated, names of keys excepted; raises `CommandError`."""
    return _Walk(variables).take(document, "", 0)


class _Walk:
    """Through the whole document, which a few lines with aliases can make endless."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._left = _NODES

    def take(self, node: Any, where: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH:
            raise CommandError(f"{where}: the file has more than {_NODES} values, or is nested more than {_DEPTH} deep")
        if isinstance(node, str):
            return substitute(node, self._variables, where)
        if isinstance(node, list):
            return [self.take(item, f"{where}[{number}]", depth + 1) for number, item in enumerate(node)]
        if isinstance(node, dict):
            return {
                name: self.take(item, f"{where}.{name}" if where else str(name), depth + 1)
                for name, item in node.items()
            }
        return node


def substitute(text: str, variables: Mapping[str, str], where: str, depth: int = 0) -> str:
    """One text."""
    if depth > _DEPTH:
        raise CommandError(f"{where}: variables are nested more than {_DEPTH} deep")
    done, position = [], 0
    while (dollar := text.find("$", position)) >= 0:
        done.append(text[position:dollar])
        found = _START.match(text, dollar)
        if found is None:
            raise CommandError(f"{where}: invalid interpolation format: {text!r}; a dollar is written as $$")
        content, position = _value(text, found, variables, where, depth)
        done.append(content)
    return "".join((*done, text[position:]))


def _value(text: str, found: re.Match[str], variables: Mapping[str, str], where: str, depth: int) -> tuple[str, int]:
    """What stands for the variable that was found, and where the text goes on."""
    if found["dollar"]:
        return "$", found.end()
    name, how = found["plain"] or found["braced"], found["how"]
    if how in {None, "}"}:
        return variables.get(name, ""), found.end()
    end = _closing(text, found.end(), where)
    follows = text[found.end() : end]
    content = variables.get(name)
    is_there = bool(content) if how.startswith(":") else content is not None
    if how.endswith("+"):
        return (substitute(follows, variables, where, depth + 1) if is_there else ""), end + 1
    if is_there:
        return content or "", end + 1
    if how.endswith("?"):
        raise CommandError(f"{where}: required variable {name} is missing a value: {follows}")
    return substitute(follows, variables, where, depth + 1), end + 1


def _closing(text: str, position: int, where: str) -> int:
    """Where the brace closes that was opened before the position."""
    depth = 1
    for index in range(position, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    raise CommandError(f"{where}: invalid interpolation format: {text!r}; a brace is not closed")
