"""Patterns of names: Go's filepath.Match, those of .dockerignore, and those of ``${x#pattern}``."""

from __future__ import annotations

import re

_CLASS = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]", re.DOTALL)


def compile_match(pattern: str) -> re.Pattern[str]:
    """As Go's filepath.Match: ``*`` and ``?`` fit no slash, and there are classes; raises ValueError."""
    return re.compile(_translate(pattern, "[^/]*", "[^/]"), re.DOTALL)


def has_wildcards(word: str) -> bool:
    """Whether it is a pattern at all: one with a ``*``, ``?`` or ``[`` that nothing escapes."""
    return re.search(r"(?<!\\)(?:\\\\)*[*?\[]", word) is not None


def compile_ignore(pattern: str) -> re.Pattern[str]:
    """As a line of .dockerignore: ``**`` fits any number of directories (moby/patternmatcher); raises ValueError."""
    parts: list[str] = []
    position = 0
    while (found := pattern.find("**", position)) >= 0:
        parts.append(_translate(pattern[position:found], "[^/]*", "[^/]"))
        position = found + 2
        while pattern[position : position + 1] == "*":
            position += 1
        if pattern[position : position + 1] == "/":
            position += 1
        parts.append(".*" if position == len(pattern) else "(?:.*/)?")
    parts.append(_translate(pattern[position:], "[^/]*", "[^/]"))
    return re.compile("".join(parts), re.DOTALL)


def cut(value: str, pattern: str, *, at_start: bool, greedy: bool) -> str:
    """Without what fits the pattern at one end, the longest or the shortest that does."""
    expression = re.compile(_translate(pattern, ".*", "."), re.DOTALL)
    lengths = range(len(value), -1, -1) if greedy else range(len(value) + 1)
    for length in lengths:
        part = value[:length] if at_start else value[len(value) - length :]
        if expression.fullmatch(part):
            return value[length:] if at_start else value[: len(value) - length]
    return value


def replaced(value: str, pattern: str, text: str, *, everywhere: bool) -> str:
    """With the text in place of what fits the pattern."""
    if not pattern:
        return value
    expression = re.compile(_translate(pattern, ".*", "."), re.DOTALL)
    return expression.sub(lambda _: text, value, count=0 if everywhere else 1)


def _translate(pattern: str, star: str, question: str) -> str:
    result = ""
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            result += star
        elif character == "?":
            result += question
        elif character == "[":
            match = _CLASS.match(pattern, position - 1)
            if match is None:
                raise ValueError(f"syntax error in pattern {pattern!r}")
            result += _class(pattern, match[1], match[2])
            position = match.end()
        elif character == "\\":
            if position == len(pattern):
                raise ValueError(f"syntax error in pattern {pattern!r}")
            result += re.escape(pattern[position])
            position += 1
        else:
            result += re.escape(character)
    return result


def _class(pattern: str, negated: str, inside: str) -> str:
    """A class of characters; what Go does not take for a range is an error there, and here."""
    items = re.findall(r"\\?(.)(?:-\\?(.))?", inside, re.DOTALL)
    content = ""
    for low, high in items:
        if high and high < low:
            raise ValueError(f"syntax error in pattern {pattern!r}")
        content += re.escape(low) + (f"-{re.escape(high)}" if high else "")
    return f"[{'^' if negated else ''}{content}]" if content else "(?!)"
