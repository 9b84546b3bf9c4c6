"""Words, quotes and variables of a Dockerfile, as the builders' own small shell reads them.

(moby/buildkit, frontend/dockerfile/shell/lex.go.) Known modifiers are ``${x:-y}``, ``${x:+y}``, ``${x:?y}``, the same
without the colon, and ``${x#y}``, ``${x##y}``, ``${x%y}``, ``${x%%y}``, ``${x/y/z}``, ``${x//y/z}``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_BLANK = frozenset(" \t\n\r\v\f")
_SPECIAL = frozenset("@*#?-$!0")


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """The word with its quotes gone and its variables in place; raises ValueError."""
    return _Lexer(word, variables, escape).read()[0]


def expand_words(word: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The same, parted at blanks that are not quoted, those that come from a variable too."""
    return _Lexer(word, variables, escape).read()[1]


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Words with their quotes, parted at blanks outside of quotes."""
    words: list[str] = []
    word, quote, begun = "", "", False
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if not quote and character in _BLANK:
            if begun:
                words.append(word)
            word, begun = "", False
            continue
        if character == escape and quote != "'":
            if position == len(text):
                break
            begun = True
            word += character + text[position]
            position += 1
            continue
        if character in "\"'":
            quote = character if not quote else "" if quote == character else quote
        begun = True
        word += character
    return [*words, word] if begun else words


class _Lexer:
    """One word on its way; ``words`` is what blanks outside of quotes make of it."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self._text = text
        self._position = 0
        self._variables = variables
        self._escape = escape
        self._words: list[str] = []
        self._word = ""
        self._begun = False

    def read(self) -> tuple[str, list[str]]:
        result = self._until("")
        if self._begun:
            self._words.append(self._word)
        return result, self._words

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def _until(self, stop: str) -> str:
        """Up to one of the characters, which is left; the end is an error if there has to be one."""
        result = ""
        while character := self._peek():
            if character in stop:
                return result
            if character == "'":
                result += self._quoted(self._single())
            elif character == '"':
                result += self._quoted(self._double())
            elif character == "$":
                value = self._dollar()
                self._add(value)
                result += value
            else:
                if character == self._escape:
                    self._position += 1
                    character = self._take()
                    result += self._quoted(character) if character else ""
                    continue
                self._position += 1
                self._add(character)
                result += character
        if stop:
            raise ValueError(f"unexpected end of statement while looking for matching {stop[0]}")
        return result

    def _add(self, text: str) -> None:
        for character in text:
            if character not in _BLANK:
                self._word += character
                self._begun = True
            elif self._begun:
                self._words.append(self._word)
                self._word, self._begun = "", False

    def _quoted(self, text: str) -> str:
        self._word += text
        self._begun = True
        return text

    def _single(self) -> str:
        end = self._text.find("'", self._position + 1)
        if end < 0:
            raise ValueError("unexpected end of statement while looking for matching single-quote")
        content, self._position = self._text[self._position + 1 : end], end + 1
        return content

    def _double(self) -> str:
        self._position += 1
        result = ""
        while character := self._peek():
            if character == '"':
                self._position += 1
                return result
            if character == "$":
                result += self._dollar()
                continue
            self._position += 1
            if character == self._escape:
                following = self._peek()
                if not following:
                    break
                if following in {'"', "$", self._escape}:
                    character = ""
                character += self._take()
            result += character
        raise ValueError("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        self._position += 1
        if self._peek() == "{":
            self._position += 1
            return self._braced()
        name = self._name()
        return self._variables.get(name, "") if name else "$"

    def _name(self) -> str:
        start = self._position
        character = self._peek()
        if character in _SPECIAL and character:
            self._position += 1
            return character
        digits = character.isascii() and character.isdigit()
        while (character := self._peek()) and character.isascii():
            if not (character.isdigit() if digits else character.isalnum() or character == "_"):
                break
            self._position += 1
        return self._text[start : self._position]

    def _braced(self) -> str:
        name = self._name()
        if not name:
            raise ValueError("bad substitution")
        value = self._variables.get(name)
        operator = self._take()
        if operator == "}":
            return value or ""
        if operator == ":":
            operator += self._take()
        if operator in {":-", ":+", ":?", "-", "+", "?"}:
            return self._alternative(name, value, operator)
        if operator in {"#", "%", "/"}:
            return self._changed(value or "", operator)
        if not operator:
            raise ValueError("syntax error: missing '}'")
        raise ValueError(f"unsupported modifier ({operator}) in substitution")

    def _inner(self, stop: str) -> str:
        """What is between the braces: of words of its own."""
        kept = self._words, self._word, self._begun
        self._words = []
        content = self._until(stop)
        self._words, self._word, self._begun = kept
        self._position += 1
        return content

    def _alternative(self, name: str, value: str | None, operator: str) -> str:
        word = self._inner("}")
        there = bool(value) if operator.startswith(":") else value is not None
        kind = operator[-1]
        if kind == "+":
            return word if there else ""
        if there:
            return value or ""
        if kind == "?":
            raise ValueError(f"{name}: {word or 'not allowed to be unset'}")
        return word

    def _changed(self, value: str, operator: str) -> str:
        """Without a beginning or an end that fits a pattern, or with another text in its place."""
        from runtime.build.patterns import cut, replaced

        greedy = self._peek() == operator
        self._position += greedy
        if operator == "/":
            pattern = self._inner("/")
            return replaced(value, pattern, self._inner("}"), everywhere=greedy)
        return cut(value, self._inner("}"), at_start=operator == "#", greedy=greedy)
