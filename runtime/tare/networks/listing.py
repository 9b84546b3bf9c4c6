"""``network ls``."""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.output.listing import Sheet, show
from runtime.tare.verb import FILTER, FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.engine.networks import Network
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.listing import Row

_SHEET = Sheet(
    "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    {
        "ID": "NETWORK ID",
        "Name": "NAME",
        "Driver": "DRIVER",
        "Scope": "SCOPE",
        "IPv6": "IPV6",
        "Internal": "INTERNAL",
        "Labels": "LABELS",
        "CreatedAt": "CREATED AT",
    },
)
_FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
_PREDEFINED = frozenset({"bridge", "host", "none"})
_SHORT = 12


def perform(session: Session, given: Given) -> None:
    """By name, those that are always there included."""
    filters = parse_filters(given.many("filter"), _FILTERS)
    dangling = filters.get("dangling", ())
    if any(text not in {"true", "false", "1", "0"} for text in dangling):
        raise UsageError(f"invalid filter 'dangling=[{dangling[0]}]'", FAILED)
    networks = [one for one in session.engine.networks.list() if _passes(one, filters)]
    for text in dangling:
        unused = text in {"true", "1"}
        networks = [one for one in networks if _is_unused(session, one) == unused]
    if given.switch("quiet") and not given.text("format"):
        for one in networks:
            session.say(one.id if given.switch("no-trunc") else one.id[:_SHORT])
        return
    show(session, _SHEET, [_row(one, whole=given.switch("no-trunc")) for one in networks], given.text("format"))


def _is_unused(session: Session, network: Network) -> bool:
    return network.name not in _PREDEFINED and not session.engine.networks.members(network)


def _passes(network: Network, filters: Mapping[str, tuple[str, ...]]) -> bool:
    from runtime.engine.filters import matches_labels

    kind = "builtin" if network.name in _PREDEFINED else "custom"
    exact = {"driver": network.driver, "scope": network.scope, "type": kind}
    parts = {"name": network.name, "id": network.id}
    return (
        all(exact[name] in wanted for name, wanted in filters.items() if name in exact)
        and all(any(text in parts[name] for text in wanted) for name, wanted in filters.items() if name in parts)
        and matches_labels(dict(network.labels), filters.get("label", ()))
    )


def _row(network: Network, *, whole: bool) -> Row:
    from runtime.supervision.times import format_ns

    labels = dict(network.labels)
    return {
        "ID": network.id if whole else network.id[:_SHORT],
        "Name": network.name,
        "Driver": network.driver,
        "Scope": network.scope,
        "IPv6": str(network.ipv6).lower(),
        "Internal": str(network.internal).lower(),
        "Labels": ",".join(f"{name}={text}" for name, text in labels.items()),
        "Label": lambda name: labels.get(name, ""),
        "CreatedAt": format_ns(network.created_ns),
    }


LIST = Verb(
    "ls [OPTIONS]",
    "List networks",
    perform,
    (
        Flag("no-trunc", "Do not truncate the output"),
        Flag("quiet", "Only display network IDs", short="q"),
        FILTER,
        FORMAT,
    ),
)
