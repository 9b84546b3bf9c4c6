"""JSON by the same C code as the json module, without what that imports to tell of errors.

json imports re, and re imports enum: a third of the time that Python itself takes to start. What the C code does not
like is given to json, to say what is wrong with it.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANK = " \t\n\r"


class NotUnique(ValueError):
    """An object has a name twice, of which each reader takes another one for valid ("JSON" in glossary.md)."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise NotUnique(f"name {next(name for name in names if names.count(name) > 1)!r} is given twice in an object")
    return made


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class _Context:
    """What the scanner asks of a json.JSONDecoder."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_constant)
    memo: dict[str, str] = {}  # noqa: RUF012 - emptied by nobody, as in json


_scan: Any = make_scanner(_Context())  # type: ignore[arg-type]


def loads(text: str) -> Any:
    """The decoded text; raises `ValueError` that says where it is no JSON."""
    start = len(text) - len(text.lstrip(_BLANK))
    try:
        decoded, end = _scan(text, start)
    except NotUnique:
        raise
    except (StopIteration, SystemError, ValueError):
        return _explain(text)
    return decoded if not text[end:].strip(_BLANK) else _explain(text)


def _explain(text: str) -> Any:
    import json

    return json.loads(text, parse_constant=_constant, object_pairs_hook=_object)


def dumps(content: object, indent: int | str | None = None) -> str:
    """As json.dumps has it."""
    if indent is not None:
        import json

        return json.dumps(content, indent=indent)
    encode: Any = make_encoder({}, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)  # noqa: FBT003
    return "".join(encode(content, 0))


def _refuse(content: object) -> object:
    raise TypeError(f"{type(content).__name__} cannot be told in JSON")
