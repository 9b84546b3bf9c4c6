"""printf of Go, as far as templates have use for it (package fmt, "Printing")."""

from __future__ import annotations

from runtime.tare.output.functions import compact, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_INTEGER = {"d": "d", "x": "x", "X": "X", "o": "o", "b": "b", "c": "c"}
_FLOAT = frozenset("feEgG")


def sprintf(pattern: str, contents: Sequence[Any]) -> str:
    """What is wrong with it stands in the result, as with Go: ``%!d(string=x)``."""
    parts, waiting, position = [], list(contents), 0
    while (found := pattern.find("%", position)) >= 0:
        parts.append(pattern[position:found])
        options, position = _options(pattern, found + 1)
        verb = pattern[position : position + 1]
        position += 1
        if verb == "%":
            parts.append("%")
        elif not verb:
            parts.append("%!(NOVERB)")
        elif not waiting:
            parts.append(f"%!{verb}(MISSING)")
        else:
            parts.append(_one(options, verb, waiting.pop(0)))
    parts.append(pattern[position:])
    if waiting:
        parts.append(f"%!(EXTRA {', '.join(f'{_type(one)}={shown(one)}' for one in waiting)})")
    return "".join(parts)


def _options(pattern: str, start: int) -> tuple[str, int]:
    """Flags, width and precision, up to the verb."""
    end = start
    while end < len(pattern) and pattern[end] in "-+# 0123456789.":
        end += 1
    return pattern[start:end], end


def _one(options: str, verb: str, content: Any) -> str:
    number = isinstance(content, (int, float)) and not isinstance(content, bool)
    if verb in _INTEGER and isinstance(content, int) and number:
        return f"%{options}{verb}" % content if verb != "b" else _aligned(options, f"{content:b}")
    if verb in _FLOAT and isinstance(content, float):
        return f"%{options}{verb}" % content
    if verb in {"s", "v"} or (verb == "t" and isinstance(content, bool)):
        return _aligned(options, shown(content) if content is not None else "<nil>")
    if verb == "q" and isinstance(content, str):
        return _aligned(options, compact(content))
    if verb in {"x", "X"} and isinstance(content, str):
        text = content.encode().hex()
        return _aligned(options, text.upper() if verb == "X" else text)
    return f"%!{verb}({_type(content)}={shown(content)})"


def _aligned(options: str, text: str) -> str:
    width, _, precision = options.lstrip("+# ").partition(".")
    if precision.isdigit():
        text = text[: int(precision)]
    size = width.lstrip("-+# 0") or "0"
    return text.ljust(int(size)) if width.startswith("-") else text.rjust(int(size))


def _type(content: Any) -> str:
    if isinstance(content, bool):
        return "bool"
    return {str: "string", int: "int", float: "float64", list: "[]string", dict: "map[string]string"}.get(
        type(content), "<nil>" if content is None else type(content).__name__
    )
