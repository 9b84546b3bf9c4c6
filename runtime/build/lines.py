"""A Dockerfile's text as instructions, each on one line: continuations, comments, directives, here-documents.

As the classic builder's and BuildKit's common parser reads it (moby/buildkit, frontend/dockerfile/parser).
"""

from __future__ import annotations

import re

from runtime.build.errors import DockerfileError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"escape", "syntax", "check"})
_COMMENT = re.compile(r"\s*#")
_HEREDOC = re.compile(r"""\d*<<(?P<chomp>-?)(?P<name>"[^"\s<]+"|'[^'\s<]+'|[^\s<"']+)""")
_WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})
# As blanks between words, a line's end left out (Go: reWhitespace).
BLANKS = re.compile(r"[\t\v\f\r ]+")
_BOM = "\ufeff"


class Heredoc(Value):
    """What stands below an instruction up to ``name``; ``expand`` unless the name was quoted."""

    name: str
    content: str
    expand: bool
    chomp: bool


class Line(Value):
    """One instruction: its ``keyword`` in capitals, and all that follows as ``rest``; ``text`` is as it was written."""

    number: int
    keyword: str
    rest: str
    text: str
    heredocs: tuple[Heredoc, ...] = ()


class Source(Value):
    """A Dockerfile: its instructions, and the character that escapes."""

    name: str
    escape: str
    lines: tuple[Line, ...]


def read_source(text: str, name: str = "Dockerfile") -> Source:
    """Raises `DockerfileError`."""
    reader = _Reader(text, name)
    lines = tuple(reader.lines())
    if not lines:
        raise DockerfileError(name, max(reader.number, 1), "file with no instructions")
    return Source(name, reader.escape, lines)


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.escape = "\\"
        self.number = 0
        self._name = name
        # Not splitlines(): it also parts lines at what is an ordinary character here.
        self._waiting = text.removeprefix(_BOM).split("\n")
        if self._waiting[-1] == "":
            self._waiting.pop()
        self._waiting.reverse()

    def lines(self) -> Iterator[Line]:
        self._directives()
        while self._waiting:
            text = self._next().lstrip()
            if not text or text.startswith("#"):
                continue
            yield self._line(self.number, self._joined(text))

    def _next(self) -> str:
        self.number += 1
        return self._waiting.pop().removesuffix("\r")

    def _directives(self) -> None:
        """Comments of a certain form, up to the first line that is none."""
        seen: set[str] = set()
        while self._waiting and (match := _DIRECTIVE.fullmatch(self._waiting[-1].strip())):
            key = match[1].lower()
            if key not in _DIRECTIVES:
                return
            self._next()
            if key in seen:
                self._fail(f"only one {key} parser directive can be used")
            seen.add(key)
            if key == "escape":
                if match[2] not in {"\\", "`"}:
                    self._fail(f"invalid ESCAPE {match[2]!r}: must be ` or \\")
                self.escape = match[2]

    def _joined(self, text: str) -> str:
        """With the lines that continue it; comments and empty lines between them do not end it."""
        text, continued = self._continuation(text)
        while continued and self._waiting:
            more = self._next()
            if _COMMENT.match(more) or not more.strip():
                continue
            more, continued = self._continuation(more)
            text += more
        return text.strip()

    def _continuation(self, text: str) -> tuple[str, bool]:
        """Without the character at the end that says that it goes on; two of them say nothing."""
        bare = text.rstrip(" \t")
        if bare.endswith(self.escape) and not bare.endswith(self.escape * 2):
            return bare[:-1], True
        return text, False

    def _line(self, number: int, text: str) -> Line:
        parts = BLANKS.split(text, maxsplit=1)
        keyword = parts[0].upper()
        rest = parts[1].strip() if len(parts) > 1 else ""
        heredocs = tuple(self._heredocs(number, rest)) if keyword in _WITH_HEREDOCS and "<<" in rest else ()
        return Line(number, keyword, rest, text, heredocs)

    def _heredocs(self, number: int, rest: str) -> Iterator[Heredoc]:
        for match in _heredoc_words(rest):
            name = match["name"].strip("\"'")
            yield Heredoc(name, self._body(number, name, match["chomp"]), name == match["name"], bool(match["chomp"]))

    def _body(self, number: int, name: str, chomp: str) -> str:
        body: list[str] = []
        while self._waiting:
            self.number += 1
            text = self._waiting.pop()
            bare = text.lstrip("\t") if chomp else text
            if bare.removesuffix("\r") == name:
                return "".join(f"{line}\n" for line in body)
            body.append(bare)
        raise DockerfileError(self._name, number, f"unterminated heredoc {name!r}")

    def _fail(self, problem: str) -> None:
        raise DockerfileError(self._name, self.number, problem)


def heredoc_name(word: str) -> str | None:
    """What a word such as ``<<-"EOF"`` names, if it is such a word."""
    match = _HEREDOC.fullmatch(word)
    return None if match is None else match["name"].strip("\"'")


def _heredoc_words(rest: str) -> Iterator[re.Match[str]]:
    """Words outside of quotes that begin a here-document; ``<<<`` is none."""
    quote = ""
    position = 0
    while position < len(rest):
        character = rest[position]
        if character == "\\":
            position += 2
            continue
        if quote or character in "\"'":
            quote = character if not quote else "" if character == quote else quote
        elif match := _HEREDOC.match(rest, position):
            if position == 0 or rest[position - 1] not in "<0123456789":
                yield match
            position = match.end()
            continue
        position += 1
