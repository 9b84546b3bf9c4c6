"""What of a context is left out, by its .dockerignore (docs.docker.com, "dockerignore"; moby/patternmatcher)."""

from __future__ import annotations

import os

from runtime.build.errors import ContextError
from runtime.build.patterns import compile_ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

_BOM = "\ufeff"


class Ignore:
    """Patterns in their order: the last that fits decides, for a path or for a directory that it is in."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._patterns: list[tuple[re.Pattern[str], bool]] = []
        for line in text.removeprefix(_BOM).split("\n"):
            self._add(line.rstrip("\r"))
        self.has_exceptions = any(not ignores for _, ignores in self._patterns)

    def with_lines(self, lines: tuple[str, ...]) -> Ignore:
        """The same and more."""
        return Ignore("\n".join((self._text, *lines)))

    def _add(self, line: str) -> None:
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            return
        ignores = not pattern.startswith("!")
        if not ignores:
            pattern = pattern[1:].strip()
            if not pattern:
                raise ContextError('illegal exclusion pattern in .dockerignore: "!"')
        pattern = os.path.normpath(pattern).lstrip("/") or "."
        try:
            self._patterns.append((compile_ignore(pattern), ignores))
        except ValueError as error:
            raise ContextError(f"read .dockerignore: {error}") from None

    def ignores(self, path: str) -> bool:
        """Whether the path, relative to the context, is left out. A directory that is may hold what is not."""
        ignored = False
        parents = [path[:place] for place, character in enumerate(path) if character == "/"]
        for expression, ignores in self._patterns:
            # Only a pattern that would change something is asked.
            if ignores != ignored and any(expression.fullmatch(one) for one in (path, *parents)):
                ignored = ignores
        return ignored
