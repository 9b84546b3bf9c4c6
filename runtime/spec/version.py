"""Which versions of the runtime specification a file may be of ("Specification version" in config.md)."""

from __future__ import annotations

from runtime.spec.reader import SpecError, show

OLDEST = "1.0.0"
NEWEST = "1.3.0"


def check_version(version: str) -> None:
    """Raise `SpecError` unless this is SemVer 2.0.0 and of major version 1, all of which are compatible."""
    core, plus, build = version.partition("+")
    core, dash, pre = core.partition("-")
    numbers = core.split(".")
    pre_words = pre.split(".") if dash else []
    build_words = build.split(".") if plus else []
    valid = (
        len(numbers) == 3
        and all(_is_number(number) for number in numbers)
        and all(_is_word(word) and (_is_number(word) or not word.isdigit()) for word in pre_words)
        and all(_is_word(word) for word in build_words)
    )
    if not valid:
        raise SpecError("ociVersion", f"{show(version)} is no version as of SemVer 2.0.0")
    if numbers[0] != "1":
        raise SpecError("ociVersion", f"{show(version)} is not known here, {OLDEST} to {NEWEST} are")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("-", "a").isalnum()
