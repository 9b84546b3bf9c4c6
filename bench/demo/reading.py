"""What commands print, read as a person reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MADE_UP = re.compile(r"[a-z]+_[a-z]+\d*")
_EXITED = re.compile(r"Exited \((\d+)\)")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of ``ps -aef``."""

    pid: int
    parent: int
    command: str


def process_list(text: str) -> list[Listed]:
    """UID PID PPID C STIME TTY TIME CMD (ps(1), -f)."""
    found = []
    for line in text.splitlines():
        words = line.split(None, 7)
        if len(words) == 8 and words[1].isdigit() and words[2].isdigit():
            found.append(Listed(int(words[1]), int(words[2]), words[7].strip()))
    return found


def table(text: str) -> list[dict[str, str]]:
    """Rows by their headings; a column begins where its heading does, and headings are two blanks apart."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    starts = [match.start() for match in re.finditer(r"(?:(?<=\s\s)|^)\S", lines[0])]
    ends = [*starts[1:], None]
    spans = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    return [{lines[0][span].strip(): line[span].strip() for span in spans} for line in lines[1:]]


def exit_code(status: str) -> int | None:
    """Of ``Exited (0) 2 seconds ago``."""
    found = _EXITED.match(status)
    return int(found[1]) if found else None


def is_made_up(name: str) -> bool:
    """Whether it is an adjective and somebody's name."""
    return _MADE_UP.fullmatch(name) is not None


def layers_said(text: str, words: str) -> set[str]:
    """Which layers it says this of: ``ID: words``."""
    return set(re.findall(rf"^\s*([0-9a-f]{{12,64}}): {words}", text, re.MULTILINE))
