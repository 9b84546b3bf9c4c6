"""The functions of templates: Go's own, and those that docker adds."""

from __future__ import annotations

from runtime.jsontext import dumps
from runtime.tare.output.tokens import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def truth(content: Any) -> bool:
    """What ``if`` makes of it: empty, 0, nil and false are not."""
    return bool(content)


def shown(content: Any) -> str:
    """As fmt.Print writes it."""
    return "<no value>" if content is None else _verb_v(content)


def _verb_v(content: Any) -> str:
    if content is None:
        return "<nil>"
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, (list, tuple)):
        return f"[{' '.join(map(_verb_v, content))}]"
    if isinstance(content, dict):
        pairs = sorted((str(key), one) for key, one in content.items() if not callable(one))
        return f"map[{' '.join(f'{key}:{_verb_v(one)}' for key, one in pairs)}]"
    if isinstance(content, float):
        return _float(content)
    return str(content)


def _float(number: float) -> str:
    """%v of a float64 is %g with as many digits as it takes, the exponent large from 21 on (fmt, "Printing")."""
    text = repr(number)
    if 1e16 <= abs(number) < 1e21:
        return str(int(number))
    return text.removesuffix(".0")


def compact(content: Any) -> str:
    """As encoding/json writes it: without blanks, keys of what is no record sorted by the caller, and safe in HTML."""
    text = _json(content)
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return text


def _json(content: Any) -> str:
    if isinstance(content, dict):
        pairs = [f"{_string(str(key))}:{_json(one)}" for key, one in content.items() if not callable(one)]
        return f"{{{','.join(pairs)}}}"
    if isinstance(content, (list, tuple)):
        return f"[{','.join(map(_json, content))}]"
    return _string(content) if isinstance(content, str) else dumps(content)


def _string(text: str) -> str:
    """Go writes characters as they are, which also spares the reader; what is no UTF-8 becomes U+FFFD."""
    if text.isascii():
        return dumps(text)
    import json

    return json.dumps(text.encode(errors="surrogateescape").decode(errors="replace"), ensure_ascii=False)


def _index(content: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(content, dict):
            content = content.get(key)
        elif isinstance(content, (list, tuple, str)):
            content = _item(content, key)
        elif content is None:
            raise TemplateError("index of untyped nil")
        else:
            raise TemplateError(f"can't index item of {shown(content)}")
        content = content() if callable(content) else content
    return content


def _item(content: Any, key: Any) -> Any:
    if not isinstance(key, int) or isinstance(key, bool):
        raise TemplateError(f"cannot index slice/array with {shown(key)!r}")
    if not 0 <= key < len(content):
        raise TemplateError(f"reflect: slice index out of range: {key}")
    return content.encode()[key] if isinstance(content, str) else content[key]


def _slice(content: Any, *bounds: int) -> Any:
    if not isinstance(content, (str, list, tuple)) or len(bounds) > 2:
        raise TemplateError(f"can't slice {shown(content)}")
    start, end = (*bounds, *(0, len(content))[len(bounds) :])
    if not 0 <= start <= end <= len(content):
        raise TemplateError(f"slice index out of range: {start}:{end}")
    return content[start:end]


def _len(content: Any) -> int:
    if content is None or not hasattr(content, "__len__"):
        raise TemplateError(f"len of {'nil pointer' if content is None else f'type {type(content).__name__}'}")
    return len(content.encode()) if isinstance(content, str) else len(content)


def _kind(content: Any) -> str:
    if isinstance(content, bool):
        return "bool"
    return "number" if isinstance(content, (int, float)) else type(content).__name__


def _same_kind(one: Any, other: Any) -> None:
    if _kind(one) != _kind(other):
        raise TemplateError("incompatible types for comparison")


def _eq(one: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    if isinstance(one, (dict, list, tuple)):
        raise TemplateError("non-comparable type")
    for other in others:
        if one is not None and other is not None:
            _same_kind(one, other)
        if one == other:
            return True
    return False


def _lt(one: Any, other: Any) -> bool:
    _same_kind(one, other)
    if not isinstance(one, (int, float, str)) or isinstance(one, bool):
        raise TemplateError("invalid type for comparison")
    return bool(one < other)


def _decides(*_: Any) -> Any:
    raise TemplateError("wrong number of args: want at least 1 got 0")


def _print(*contents: Any) -> str:
    """Blanks stand between what are no strings (fmt.Sprint)."""
    text = ""
    for place, content in enumerate(contents):
        apart = place > 0 and not isinstance(content, str) and not isinstance(contents[place - 1], str)
        text += f"{' ' if apart else ''}{_verb_v(content)}"
    return text


def _println(*contents: Any) -> str:
    return f"{' '.join(map(_verb_v, contents))}\n"


def _printf(pattern: str, *contents: Any) -> str:
    from runtime.tare.output.printing import sprintf

    return sprintf(pattern, contents)


def _join(items: Any, separator: str) -> str:
    return separator.join(map(_verb_v, items or ()))


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _title(text: str) -> str:
    """The first letter of each word; the others stay as they are (strings.Title)."""
    return "".join(
        letter.upper() if place == 0 or not (text[place - 1].isalnum() or text[place - 1] in "_'") else letter
        for place, letter in enumerate(text)
    )


def _pad(text: str, before: int, after: int) -> str:
    return f"{' ' * before}{text}{' ' * after}" if text else ""


def _truncate(text: str, length: int) -> str:
    return text[:length]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": _decides,  # with arguments these two are the template's own, which asks for no more than it needs
    "or": _decides,
    "not": lambda content: not truth(content),
    "eq": _eq,
    "ne": lambda one, other: not _eq(one, other),
    "lt": _lt,
    "le": lambda one, other: _lt(one, other) or _eq(one, other),
    "gt": lambda one, other: not _lt(one, other) and not _eq(one, other),
    "ge": lambda one, other: not _lt(one, other),
    "index": _index,
    "slice": _slice,
    "len": _len,
    "print": _print,
    "println": _println,
    "printf": _printf,
    "json": compact,
    "join": _join,
    "split": _split,
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "title": lambda text: _title(str(text)),
    "pad": _pad,
    "truncate": _truncate,
}

# Of the headings of a table: they are words whatever is made of the fields below them (docker, cli/command/formatter).
HEADING_FUNCTIONS: dict[str, Callable[..., Any]] = FUNCTIONS | {
    "json": lambda text: text,
    "join": lambda text, _: text,
    "split": lambda text, _: text,
    "title": lambda text: text,
    "lower": lambda text: text,
    "upper": lambda text: text,
    "truncate": lambda text, _: text,
}
