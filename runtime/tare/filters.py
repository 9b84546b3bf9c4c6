"""``--filter NAME=VALUE``, which may be given several times."""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable


def parse_filters(texts: Iterable[str], known: Container[str] | None = None) -> dict[str, tuple[str, ...]]:
    """All values by name; raises `UsageError`, also for a name that is not ``known``, if that is told.

    ``label!=NAME`` is the name ``label!``.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, content = text.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            raise UsageError(f'invalid argument "{text}" for "-f, --filter" flag: invalid filter (expected name=value)')
        if known is not None and name not in known:
            raise UsageError(f"invalid filter '{name}'", FAILED)
        found[name] = (*found.get(name, ()), content.strip())
    return found
