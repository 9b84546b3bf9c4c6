"""A Dockerfile as values: each instruction's flags and words, and the stages that they make."""

from __future__ import annotations

from runtime import jsontext
from runtime.build.errors import DockerfileError
from runtime.build.lines import BLANKS, read_source
from runtime.build.words import split_words
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.build.lines import Line, Source

# The flags of each instruction that is known; others have none.
_FLAGS: dict[str, frozenset[str]] = dict.fromkeys(
    ("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "MAINTAINER", "ONBUILD", "SHELL", "STOPSIGNAL", "USER",
     "VOLUME", "WORKDIR"),
    frozenset(),
) | {
    "FROM": frozenset({"platform"}),
    "RUN": frozenset({"mount", "network", "security"}),
    "COPY": frozenset({"from", "chown", "chmod", "link", "parents", "exclude"}),
    "ADD": frozenset({"chown", "chmod", "link", "checksum", "exclude"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
}  # fmt: skip
_SWITCHES = frozenset({"link", "parents"})
_REPEATED = frozenset({"mount", "exclude"})
_JSON = frozenset({"RUN", "CMD", "ENTRYPOINT", "SHELL", "COPY", "ADD", "VOLUME"})
_PARTED = frozenset({"COPY", "ADD", "VOLUME", "EXPOSE", "FROM"})
_PAIRS = frozenset({"ENV", "LABEL"})


class Instruction(Value):
    """``words`` are its arguments, one for what takes the rest of the line; ``exec_form`` if they are a JSON list."""

    keyword: str
    line: Line
    words: tuple[str, ...]
    flags: tuple[tuple[str, str], ...] = ()
    exec_form: bool = False

    def flag(self, name: str) -> str | None:
        """What was given to a flag; a switch without a value is ``true``."""
        return next((content for flag, content in self.flags if flag == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """What was given to a flag that may be repeated."""
        return tuple(content for flag, content in self.flags if flag == name)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Of ENV and LABEL: names and what they are set to, with quotes and variables as they were written."""
        return tuple(zip(self.words[::2], self.words[1::2], strict=True))


class Stage(Value):
    """From one FROM to the next; ``name`` is in lower case, empty if it has none."""

    index: int
    base: Instruction
    name: str
    instructions: tuple[Instruction, ...]

    @property
    def image(self) -> str:
        """What it begins with, variables not yet in place."""
        return self.base.words[0]


class Dockerfile(Value):
    """All of it; ``arguments`` are the ARGs before the first FROM."""

    source: Source
    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]


def parse_dockerfile(text: str, name: str = "Dockerfile") -> Dockerfile:
    """Raises `DockerfileError`."""
    source = read_source(text, name)
    before: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for line in source.lines:
        instruction = parse_instruction(line, source)
        if instruction.keyword == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.keyword == "ARG":
            before.append(instruction)
        else:
            raise DockerfileError(name, line.number, f"no build stage in current context: {line.keyword} before FROM")
    if not stages:
        raise DockerfileError(name, source.lines[-1].number, "no build stage: there is no FROM")
    return Dockerfile(source, tuple(before), tuple(_stages(source, stages)))


def parse_instruction(line: Line, source: Source) -> Instruction:
    """One line; raises `DockerfileError`."""
    try:
        return _parse(line, source.escape)
    except ValueError as error:
        raise DockerfileError(source.name, line.number, str(error)) from None


def _parse(line: Line, escape: str) -> Instruction:
    keyword = line.keyword
    if keyword not in _FLAGS:
        raise ValueError(f"unknown instruction: {keyword}")
    flags, rest = _take_flags(keyword, line.rest, escape)
    words, exec_form = _words(keyword, rest, escape)
    _check(keyword, words, exec_form=exec_form)
    if keyword == "ONBUILD":
        _check_trigger(line, rest, escape)
    return Instruction(keyword, line, words, flags, exec_form)


def _check_trigger(line: Line, rest: str, escape: str) -> None:
    from runtime.values import replace

    parts = BLANKS.split(rest, maxsplit=1)
    keyword = parts[0].upper()
    if keyword in {"ONBUILD", "FROM", "MAINTAINER"}:
        problem = "Chaining ONBUILD via `ONBUILD ONBUILD`" if keyword == "ONBUILD" else keyword
        raise ValueError(f"{problem} isn't allowed{'' if keyword == 'ONBUILD' else ' as an ONBUILD trigger'}")
    _parse(replace(line, keyword=keyword, rest=parts[1] if len(parts) > 1 else ""), escape)


def _take_flags(keyword: str, rest: str, escape: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The words at the front that begin with ``--``, and what comes after them."""
    flags: list[tuple[str, str]] = []
    while rest.startswith("--"):
        word, rest = _first_word(rest, escape)
        if word == "--":
            break
        name, equals, content = word[2:].partition("=")
        if name not in _FLAGS[keyword]:
            raise ValueError(f"unknown flag: --{name}")
        if not equals and name not in _SWITCHES:
            raise ValueError(f"missing a value on flag: --{name}")
        if name not in _REPEATED and any(name == flag for flag, _ in flags):
            raise ValueError(f"duplicate flag specified: --{name}")
        flags.append((name, content if equals else "true"))
    return tuple(flags), rest


def _first_word(text: str, escape: str) -> tuple[str, str]:
    """A word without its quotes, and the rest."""
    word, quote = "", ""
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == escape and position < len(text):
            word += text[position]
            position += 1
        elif character in "\"'" and quote in {"", character}:
            quote = "" if quote else character
        elif character.isspace() and not quote:
            break
        else:
            word += character
    return word, text[position:].lstrip()


def _words(keyword: str, rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    if keyword == "HEALTHCHECK":
        return _healthcheck(rest)
    if keyword in _JSON and (listed := _json_list(rest)) is not None:
        return listed, True
    if keyword in _PAIRS:
        return _pairs(keyword, rest, escape), False
    if keyword == "ARG":
        return tuple(split_words(rest, escape)), False
    if keyword in _PARTED:
        return tuple(BLANKS.split(rest)) if rest else (), False
    return ((rest,) if rest else ()), False


def _json_list(rest: str) -> tuple[str, ...] | None:
    """The strings of a list; None for what is no JSON. Raises ValueError for one that holds something else."""
    if not rest.startswith("["):
        return None
    try:
        found = jsontext.loads(rest)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in found):
        raise ValueError("when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(found)


def _healthcheck(rest: str) -> tuple[tuple[str, ...], bool]:
    """``NONE``, or ``CMD`` and a command."""
    parts = BLANKS.split(rest, maxsplit=1)
    kind, command = parts[0].upper(), parts[1] if len(parts) > 1 else ""
    listed = _json_list(command)
    if kind == "NONE":
        if command:
            raise ValueError("HEALTHCHECK NONE takes no arguments")
        return (kind,), False
    if kind != "CMD":
        raise ValueError(f'unknown type "{parts[0]}" in HEALTHCHECK (try CMD)')
    if not (listed or command):
        raise ValueError("missing command after HEALTHCHECK CMD")
    return (kind, *(listed if listed is not None else (command,))), listed is not None


def _pairs(keyword: str, rest: str, escape: str) -> tuple[str, ...]:
    """``a=b c=d``, or the older ``a b c`` that sets one name to all the rest."""
    words = split_words(rest, escape)
    if words and "=" not in words[0]:
        parts = BLANKS.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise ValueError(f"{keyword} must have two arguments")
        return tuple(parts)
    result: list[str] = []
    for word in words:
        name, equals, content = word.partition("=")
        if not equals:
            raise ValueError(f"can't find = in {word!r}: must be of the form: name=value")
        if not name:
            raise ValueError(f"{keyword} names can not be blank")
        result += (name, content)
    return tuple(result)


def _check(keyword: str, words: tuple[str, ...], *, exec_form: bool) -> None:
    count = len(words)
    if keyword in {"COPY", "ADD"} and count < 2:
        raise ValueError(f"{keyword} requires at least two arguments, but only one was provided" if count else
                         f"{keyword} requires at least two arguments")  # fmt: skip
    if keyword == "FROM" and not (count == 1 or (count == 3 and words[1].upper() == "AS")):
        raise ValueError("FROM requires either one or three arguments")
    if keyword == "FROM" and count == 3 and not _is_stage_name(words[2].lower()):
        problem = "name can't start with a number or contain symbols"
        raise ValueError(f"invalid name for build stage: {words[2]!r}, {problem}")
    if keyword == "SHELL" and not exec_form:
        raise ValueError("SHELL requires the arguments to be in JSON form")
    if keyword == "VOLUME" and any(not word.strip() for word in words):
        raise ValueError("VOLUME specified can not be an empty string")
    # An empty list resets what the image brings: CMD [].
    if not words and keyword not in {"CMD", "ENTRYPOINT"}:
        raise ValueError(f"{keyword} requires {'at least one' if keyword in _SEVERAL else 'exactly one'} argument")


_SEVERAL = frozenset({"ENV", "LABEL", "EXPOSE", "VOLUME", "SHELL", "ARG", "RUN"})


def _is_stage_name(name: str) -> bool:
    """As the builders take it: a letter, then letters, digits, and ``-_.``."""
    rest = name.replace("-", "").replace("_", "").replace(".", "")
    return name[:1].isalpha() and name.isascii() and (rest.isalnum() or not rest)


def _stages(source: Source, found: list[tuple[Instruction, list[Instruction]]]) -> list[Stage]:
    stages: list[Stage] = []
    for index, (base, instructions) in enumerate(found):
        name = base.words[2].lower() if len(base.words) == 3 else ""
        if name and any(stage.name == name for stage in stages):
            raise DockerfileError(source.name, base.line.number, f"duplicate name {name}")
        stages.append(Stage(index, base, name, tuple(instructions)))
    return stages
