"""Filters of ``--filter NAME=VALUE``, as far as several nouns share them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Filters = Mapping[str, tuple[str, ...]]


def matches_labels(labels: Mapping[str, str], wanted: Iterable[str]) -> bool:
    """Whether all of these hold: ``NAME``, ``NAME=VALUE``, or either after a ``!`` for what must not be there."""
    for one in wanted:
        refused = one.startswith("!")
        name, has_value, value = one.removeprefix("!").partition("=")
        found = name in labels and (not has_value or labels[name] == value)
        if found == refused:
            return False
    return True


def prune_labels(filters: Filters) -> tuple[str, ...]:
    """``label=`` and ``label!=`` of a prune as `matches_labels` wants them."""
    return (*filters.get("label", ()), *(f"!{one}" for one in filters.get("label!", ())))


def until_ns(filters: Filters) -> int | None:
    """The earliest moment of ``until=``; raises `BadOption`."""
    from runtime.engine.moments import parse_moment

    moments = [parse_moment(text) for text in filters.get("until", ())]
    return min(moments) if moments else None


def refuse_unknown(filters: Filters, known: Iterable[str]) -> None:
    """Raise `BadOption` for a filter that there is not."""
    from runtime.engine.errors import BadOption

    for name in filters:
        if name not in set(known):
            raise BadOption(f"invalid filter '{name}'")
