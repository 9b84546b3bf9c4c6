"""The header WWW-Authenticate: which schemes a registry takes, with their parameters (RFC 9110, section 11)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a word
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*')
_SCHEME = re.compile(rf"\s*({_TOKEN})(?:\s+|$|(?=,))")
_ESCAPED = re.compile(r"\\(.)")
# No registry needs more; regular expressions over what a stranger sends should end.
_MAX_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme, in lower case, and its parameters, their names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All challenges of a header, in order; what cannot be read ends the list."""
    found: list[Challenge] = []
    position, header = 0, header[:_MAX_LENGTH]
    while match := _SCHEME.match(header, position):
        parameters, position = _parameters(header, match.end())
        found.append(Challenge(match[1].lower(), parameters))
        if position >= len(header) or header[position] != ",":
            break
        position += 1
    return tuple(found)


def _parameters(header: str, position: int) -> tuple[dict[str, str], int]:
    """The parameters from ``position`` on, and where they end."""
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(header, position):
        quoted, plain = match[2], match[3]
        parameters.setdefault(match[1].lower(), plain if quoted is None else _ESCAPED.sub(r"\1", quoted))
        position = match.end()
        if position >= len(header) or header[position] != "," or not _PARAMETER.match(header, position + 1):
            break
        position += 1
    return parameters, position
