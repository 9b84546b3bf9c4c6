"""Flags as docker's command line has them, which is to say as Go's pflag parses them.

click is good at other conventions, but not at these (``--rm=false``, ``-it=false``, the messages), and importing it
takes several times what the rest of a short command does.
"""

from __future__ import annotations

from runtime.tare.errors import UsageError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Flag(Value):
    """``--name`` and perhaps a one-letter ``short`` form.

    Without a ``metavar`` it is a switch. With one it takes a value, and with ``many`` each time it is given one more.
    ``convert`` makes of the text what `Given.value` returns, and raises ValueError whose message goes to the user.
    """

    name: str
    help: str
    short: str = ""
    metavar: str = ""
    many: bool = False
    convert: Callable[[str], Any] | None = None
    default: Any = None
    hidden: bool = False

    @property
    def shown(self) -> str:
        """What error messages call it."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Given:
    """What was given: flags by name, and the ``arguments`` beside them."""

    def __init__(self, flags: Sequence[Flag]) -> None:
        self._flags = {flag.name: flag for flag in flags}
        self._values: dict[str, Any] = {}
        self.arguments: list[str] = []

    def was(self, name: str) -> bool:
        """Whether it was given at all."""
        return name in self._values

    def switch(self, name: str) -> bool:
        """Of a flag without a value."""
        return bool(self._values.get(name, self._flags[name].default))

    def text(self, name: str) -> str:
        """Of a flag with a value; empty if it was not given and has no default."""
        return str(self._values.get(name, self._flags[name].default or ""))

    def number(self, name: str) -> int | None:
        """Of a flag that was converted to a number; None if it was not given and has no default."""
        content = self.value(name)
        return None if content is None else int(content)

    def many(self, name: str) -> tuple[str, ...]:
        """All that was given to a flag that may be given several times."""
        return tuple(self._values.get(name, ()))

    def value(self, name: str) -> Any:
        """What ``convert`` made of it, or the default."""
        return self._values.get(name, self._flags[name].default)

    def put(self, flag: Flag, text: str) -> None:
        """One more value, or another; raises `UsageError`."""
        try:
            content = _content(flag, text)
        except ValueError as error:
            raise UsageError(f'invalid argument "{text}" for "{flag.shown}" flag: {error}') from None
        if flag.many:
            self._values.setdefault(flag.name, []).append(content)
        else:
            self._values[flag.name] = content


def _content(flag: Flag, text: str) -> Any:
    if flag.metavar:
        return flag.convert(text) if flag.convert else text
    if text not in _TRUE | _FALSE:
        raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def whole(text: str) -> int:
    """A number as Go reads it; raises ValueError with Go's message."""
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def parse(flags: Sequence[Flag], words: Sequence[str], *, interspersed: bool = True) -> Given:
    """Raises `UsageError`. Unless ``interspersed``, the first argument ends the flags."""
    return _Parser(flags, words).parse(interspersed=interspersed)


class _Parser:
    def __init__(self, flags: Sequence[Flag], words: Sequence[str]) -> None:
        self._long = {flag.name: flag for flag in flags}
        self._short = {flag.short: flag for flag in flags if flag.short}
        self._words = list(words)
        self._given = Given(flags)

    def parse(self, *, interspersed: bool) -> Given:
        arguments = self._given.arguments
        while self._words:
            word = self._words.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                self._take_long(word)
            elif word.startswith("-") and word != "-":
                self._take_short(word)
            else:
                arguments.append(word)
                if not interspersed:
                    break
        arguments.extend(self._words)
        return self._given

    def _take_long(self, word: str) -> None:
        name, equals, text = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise UsageError(f"bad flag syntax: {word}")
        flag = self._long.get(name)
        if flag is None:
            raise UsageError(f"unknown flag: --{name}")
        if equals:
            self._given.put(flag, text)
        elif not flag.metavar:
            self._given.put(flag, "true")
        elif self._words:
            self._given.put(flag, self._words.pop(0))
        else:
            raise UsageError(f"flag needs an argument: --{name}")

    def _take_short(self, word: str) -> None:
        """One letter after the other; the first that takes a value takes the rest, or the next word."""
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            flag = self._short.get(letter)
            if flag is None and letter == "h":  # as pflag, where nothing else is called so
                flag = self._long.get("help")
            if flag is None:
                raise UsageError(f"unknown shorthand flag: '{letter}' in {word}")
            if letters.startswith("=") and len(letters) > 1:
                self._given.put(flag, letters[1:])
                return
            if not flag.metavar:
                self._given.put(flag, "true")
            elif letters or self._words:
                self._given.put(flag, letters or self._words.pop(0))
                return
            else:
                raise UsageError(f"flag needs an argument: '{letter}' in {word}")
