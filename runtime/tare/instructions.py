"""``--change``: what instructions of a Dockerfile make of an image's configuration."""

from __future__ import annotations

from runtime.tare.errors import FAILED, CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.build.instructions import Instruction
    from runtime.image.config import ImageConfig

# Those that make no files (moby, builder/dockerfile/builder.go, validCommitCommands).
_ALLOWED = frozenset({
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip
_ESCAPE = "\\"


def change_by(texts: Sequence[str]) -> Callable[[ImageConfig], ImageConfig]:
    """Raises `CommandError` for what is no instruction, or not one of those that can be used here."""
    instructions = [_parse(text) for text in texts]

    def change(config: ImageConfig) -> ImageConfig:
        return _changed(config, instructions) if instructions else config

    return change


def _parse(text: str) -> Instruction:
    from runtime.build.errors import DockerfileError
    from runtime.build.instructions import parse_instruction
    from runtime.build.lines import read_source

    try:
        source = read_source(text, "change")
        instructions = [parse_instruction(line, source) for line in source.lines]
    except DockerfileError as error:
        raise CommandError(str(error)) from error
    if len(instructions) != 1:
        raise CommandError(f"--change {text!r}: give each instruction a flag of its own")
    keyword = instructions[0].keyword
    if keyword not in _ALLOWED:
        raise CommandError(f"{keyword} is not a valid change command", FAILED)
    return instructions[0]


def _changed(config: ImageConfig, instructions: Sequence[Instruction]) -> ImageConfig:
    from runtime.build.settings import SETTINGS, Setting
    from runtime.build.state import State
    from runtime.image.config import ImageConfig

    state = State(config.to_json(), ())
    state.document.setdefault("config", {})
    for instruction in instructions:
        try:
            SETTINGS[instruction.keyword](Setting(instruction, state, state.env, _ESCAPE))
        except ValueError as error:
            raise CommandError(f"{instruction.keyword}: {error}") from error
    from runtime.jsontext import dumps

    return ImageConfig.parse(dumps(state.document).encode(), "--change")
