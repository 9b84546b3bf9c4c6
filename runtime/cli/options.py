"""Options of the OCI command line, as data: parsed here, and told by --help.

argparse and getopt would do; but to import the one takes as long as all the rest of a command, and the other loads
gettext and re. Engines run several commands for each container.
"""

from __future__ import annotations

from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_WIDTH = 32


class UsageError(Exception):
    """The command line makes no sense; the message says what of it."""


class Option(Value):
    """``name`` and perhaps a one-letter form; one with a ``metavar`` takes a value, or with ``many`` a list of them.

    A ``number`` is converted; ``choices`` are all that a value may be.
    """

    name: str
    help: str
    short: str = ""
    metavar: str = ""
    many: bool = False
    number: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def attribute(self) -> str:
        """What it is called in the result."""
        return self.name.replace("-", "_")


class Syntax(Value):
    """All that a verb takes; ``least`` and ``most`` are how many arguments beside the options, None for any number."""

    options: tuple[Option, ...]
    arguments: str = ""
    least: int = 0
    most: int | None = 0


class Given:
    """What was given, by attribute; ``arguments`` are the rest."""

    def __init__(self, given: dict[str, Any], arguments: list[str]) -> None:
        self._given = given
        self.arguments = arguments

    def __getattr__(self, name: str) -> Any:
        try:
            return self._given[name]
        except KeyError:
            raise AttributeError(name) from None


def parse(syntax: Syntax, argv: Sequence[str]) -> Given:
    """The options up to the first argument; raises `UsageError`."""
    known = {f"--{option.name}": option for option in syntax.options}
    known |= {f"-{option.short}": option for option in syntax.options if option.short}
    given: dict[str, Any] = {option.attribute: _default(option) for option in syntax.options}
    words = list(argv)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        name, text = _split(word)
        if name not in known:
            raise UsageError(f"{name}: no such option")
        _take(given, known[name], name, _value_of(known[name], name, text, words))
    if len(words) < syntax.least or (syntax.most is not None and len(words) > syntax.most):
        raise UsageError(f"expected {syntax.arguments or 'no arguments'}, got {' '.join(words) or 'nothing'}")
    return Given(given, words)


def _split(word: str) -> tuple[str, str | None]:
    """``--name=text`` and ``-ntext`` hold their value."""
    if word.startswith("--"):
        name, equals, text = word.partition("=")
        return name, text if equals else None
    return word[:2], word[2:].removeprefix("=") or None


def _value_of(option: Option, name: str, text: str | None, words: list[str]) -> str:
    if not option.metavar:
        if text not in {None, "true"}:
            raise UsageError(f"{name}: takes no value")
        return ""
    if text is None and not words:
        raise UsageError(f"{name}: needs a value, {option.metavar}")
    return words.pop(0) if text is None else text


def _default(option: Option) -> Any:
    if option.many:
        return []
    return option.default if option.metavar else False


def _take(given: dict[str, Any], option: Option, name: str, text: str) -> None:
    if option.choices and text not in option.choices:
        raise UsageError(f"{name} {text!r}: choose from {', '.join(option.choices)}")
    content: Any = text if option.metavar else True
    if option.number:
        try:
            content = int(text)
        except ValueError:
            raise UsageError(f"{name} {text!r}: not a number") from None
    if option.many:
        given[option.attribute].append(content)
    else:
        given[option.attribute] = content


def usage(program: str, syntax: Syntax, purpose: str) -> str:
    """The text of --help."""
    lines = [f"usage: {program} [OPTION…] {syntax.arguments}".rstrip(), "", purpose, ""]
    for option in syntax.options:
        names = f"-{option.short}, --{option.name}" if option.short else f"    --{option.name}"
        shown = f"  {names} {option.metavar}".rstrip()
        lines.append(f"{shown.ljust(_WIDTH)} {option.help}")
    return "\n".join(lines)
