"""The text of a Go template as tokens (text/template, "Actions")."""

from __future__ import annotations

from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK = " \t\r\n"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CODES = {"x": 2, "u": 4, "U": 8}


class TemplateError(Exception):
    """What is wrong with a template, or with what it was used on."""


class Token(Value):
    """``kind`` is text, word, field, variable, string, number, character, punctuation or end, which ends an action.

    ``spaced`` tells whether something stands between it and what is before it: ``$x.Name`` is no ``$x .Name``.
    """

    kind: str
    text: str
    at: int
    spaced: bool = False


def tokens(template: str) -> Iterator[Token]:
    """Texts, and between them the tokens of actions, each action closed by an ``end``; raises `TemplateError`."""
    position, trim = 0, False
    while True:
        opening = template.find("{{", position)
        text = template[position:] if opening < 0 else template[position:opening]
        text = text.lstrip(_BLANK) if trim else text
        start = opening + 2
        if opening >= 0 and template[start : start + 1] == "-" and template[start + 1 : start + 2] in _BLANK:
            text, start = text.rstrip(_BLANK), start + 1
        if text:
            yield Token("text", text, position)
        if opening < 0:
            return
        action = _Action(template, start)
        yield from action.tokens()
        position, trim = action.position, action.trims


class _Action:
    """What is between ``{{`` and ``}}``."""

    def __init__(self, template: str, start: int) -> None:
        self._template = template
        self._start = start
        self.position = start
        self.trims = False

    def tokens(self) -> Iterator[Token]:
        if self._is_comment():
            return
        while True:
            spaced = self._skip_blanks()
            if self._closes():
                yield Token("end", "}}", self.position)
                return
            yield self._next(spaced=spaced)

    def _is_comment(self) -> bool:
        start = self.position
        while self._template[start : start + 1] and self._template[start] in _BLANK:
            start += 1
        if not self._template.startswith("/*", start):
            return False
        end = self._template.find("*/", start)
        if end < 0:
            raise TemplateError("unclosed comment")
        self.position = end + 2
        self._skip_blanks()
        if not self._closes():
            raise TemplateError("comment ends before closing delimiter")
        return True

    def _skip_blanks(self) -> bool:
        start = self.position
        while self.position < len(self._template) and self._template[self.position] in _BLANK:
            self.position += 1
        if self.position >= len(self._template):
            raise TemplateError("unclosed action")
        return self.position > start

    def _closes(self) -> bool:
        for mark, trims in (("}}", False), ("-}}", True)):
            if self._template.startswith(mark, self.position):
                self.position += len(mark)
                self.trims = trims
                return True
        return False

    def _next(self, *, spaced: bool) -> Token:
        start, template = self.position, self._template
        character = template[start]
        if character in "\"`'":
            return self._quoted(character, spaced=spaced)
        if character in ".$" or character == "_" or character.isalpha():
            return self._name(character, spaced=spaced)
        if character.isdigit() or (character in "+-" and template[start + 1 : start + 2].isdigit()):
            self.position = self._end_of_word(start + 1, "._")
            return Token("number", template[start : self.position], start, spaced)
        mark = ":=" if template.startswith(":=", start) else character
        if mark not in {"|", "(", ")", ",", "=", ":="}:
            raise TemplateError(f"unexpected {character!r} in action")
        self.position = start + len(mark)
        return Token("punctuation", mark, start, spaced)

    def _name(self, character: str, *, spaced: bool) -> Token:
        start = self.position
        self.position = self._end_of_word(start + 1, "_")
        text = self._template[start : self.position]
        if character == ".":
            if text[1:2].isdigit():
                raise TemplateError(f"unexpected {text!r} in action")
            return Token("field", text[1:], start, spaced)
        return Token("variable" if character == "$" else "word", text, start, spaced)

    def _end_of_word(self, position: int, extra: str) -> int:
        template = self._template
        while position < len(template) and (template[position].isalnum() or template[position] in extra):
            position += 1
        return position

    def _quoted(self, mark: str, *, spaced: bool) -> Token:
        start = self.position
        if mark == "`":
            end = self._template.find("`", start + 1)
            if end < 0:
                raise TemplateError("unterminated raw quoted string")
            self.position = end + 1
            return Token("string", self._template[start + 1 : end], start, spaced)
        text = self._unescaped(mark)
        if mark == '"':
            return Token("string", text, start, spaced)
        if len(text) != 1:
            raise TemplateError("malformed character constant")
        return Token("character", text, start, spaced)

    def _unescaped(self, mark: str) -> str:
        parts: list[str] = []
        self.position += 1
        while True:
            character = self._template[self.position : self.position + 1]
            if character in {"", "\n"}:
                raise TemplateError("unterminated quoted string" if mark == '"' else "unterminated character constant")
            self.position += 1
            if character == mark:
                return "".join(parts)
            parts.append(self._escape() if character == "\\" else character)

    def _escape(self) -> str:
        letter = self._template[self.position : self.position + 1]
        self.position += 1
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        digits = self._template[self.position : self.position + _CODES.get(letter, 0)]
        try:
            self.position += len(digits)
            return chr(int(digits, 16))
        except ValueError:
            raise TemplateError(f"unknown escape in string: \\{letter}") from None
