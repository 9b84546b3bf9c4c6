"""``--env``, ``--env-file``, ``--label`` and ``--label-file``."""

from __future__ import annotations

import os

from runtime.tare.errors import ENGINE_FAILED, CommandError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.tare.flags import Given


def environment_of(given: Given) -> tuple[str, ...]:
    """The files' variables, then those of the flags; a name alone has its value from ours, if it has one there."""
    lines = [line for path in given.many("env-file") for line in _lines(path)]
    return tuple(_with_values([*lines, *map(_checked, given.many("env"))], keep_bare=True))


def _checked(text: str) -> str:
    if text.startswith("=") or not text:
        raise UsageError(f'invalid argument "{text}" for "-e, --env" flag: invalid environment variable: {text}')
    return text


def _with_values(entries: Iterable[str], *, keep_bare: bool) -> Iterable[str]:
    for entry in entries:
        if "=" in entry:
            yield entry
        elif entry in os.environ:
            yield f"{entry}={os.environ[entry]}"
        elif keep_bare:
            yield entry  # takes the image's away


def labels_of(given: Given) -> tuple[tuple[str, str], ...]:
    """The files' labels, then those of the flags, each the last time it is given."""
    lines = [line for path in given.many("label-file") for line in _lines(path)]
    return pairs([*lines, *given.many("label")])


def pairs(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """``NAME=VALUE`` or ``NAME`` each; of a name the last."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name:
            raise UsageError(f"invalid label format: {text!r}: empty name")
        found[name] = value
    return tuple(found.items())


def _lines(path: str) -> list[str]:
    """Without blank lines and comments; blanks before a name are none of it (docker, opts/envfile.go)."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or str(error)).lower()}", ENGINE_FAILED) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"read {path}: it is no UTF-8 ({error.reason})", ENGINE_FAILED) from error
    kept = [line.lstrip() for line in lines]
    return [_named(line, path) for line in kept if line and not line.startswith("#")]


def _named(line: str, path: str) -> str:
    name = line.partition("=")[0]
    if not name:
        raise CommandError(f"invalid env file ({path}): no variable name on line '{line}'", ENGINE_FAILED)
    if any(letter.isspace() for letter in name):
        raise CommandError(f"invalid env file ({path}): variable '{name}' contains whitespaces", ENGINE_FAILED)
    return line
