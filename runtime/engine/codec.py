"""Values as JSON and back: an object of what differs from the defaults, so that records are small and stay readable.

`_PARTS` says in which fields of a class there are values of others; everything else is texts, numbers and
tuples of them.
"""

from __future__ import annotations

from runtime.engine.options import (
    CreateOptions,
    DeviceOption,
    HealthOptions,
    MountOption,
    PublishedPort,
    Ulimit,
)
from runtime.values import Value, fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _T = TypeVar("_T", bound=Value)

_PARTS: dict[type, dict[str, type]] = {
    CreateOptions: {
        "health": HealthOptions,
        "ulimits": Ulimit,
        "ports": PublishedPort,
        "mounts": MountOption,
        "devices": DeviceOption,
    },
}
_MISSING = object()


def encode(value: Value) -> dict[str, Any]:
    """As it is written."""
    defaults = type(value).__defaults__
    return {
        name: _plain(content)
        for name, content in fields_of(value).items()
        if content != defaults.get(name, _MISSING)
    }


def _plain(content: object) -> object:
    if isinstance(content, Value):
        return encode(content)
    if isinstance(content, tuple):
        return [_plain(entry) for entry in content]
    return content


def decode(kind: type[_T], document: dict[str, Any]) -> _T:
    """What `encode` made of a value of this kind; raises `TypeError` for anything else.

    Fields that a later version knows and this one does not are an error: a container must not lose a protection.
    """
    parts = _PARTS.get(kind, {})
    return kind(**{name: _content(parts.get(name), content) for name, content in document.items()})


def _content(part: type | None, content: Any) -> Any:
    if part is not None and content is not None:
        return tuple(decode(part, entry) for entry in content) if isinstance(content, list) else decode(part, content)
    return _tuples(content)


def _tuples(content: Any) -> Any:
    return tuple(_tuples(entry) for entry in content) if isinstance(content, list) else content
