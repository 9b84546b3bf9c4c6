"""``search``."""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag, whole
from runtime.tare.output.listing import Sheet, show
from runtime.tare.output.table import ellipsised
from runtime.tare.registries.client import REGISTRY_FLAGS, open_client
from runtime.tare.verb import FILTER, FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.image.registry.search import Found
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.listing import Row

_SHEET = Sheet(
    "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    {
        "Name": "NAME",
        "Description": "DESCRIPTION",
        "StarCount": "STARS",
        "IsOfficial": "OFFICIAL",
        "IsAutomated": "AUTOMATED",
    },
)
_DESCRIPTION_LENGTH = 45
_MOST = 100
_YES = frozenset({"true", "1", "t"})


def perform(session: Session, given: Given) -> None:
    """On Docker's hub, or with HOST/TERM in another registry."""
    from runtime.image.registry.endpoint import DOCKER_HUB, is_host
    from runtime.image.registry.search import search

    limit = given.number("limit") or 0
    if not 1 <= limit <= _MOST:
        raise UsageError(f"limit {limit} is outside the range of [1, {_MOST}]", FAILED)
    filters = parse_filters(given.many("filter"), {"stars", "is-official", "is-automated"})
    host, slash, term = given.arguments[0].partition("/")
    if not slash or not is_host(host):
        host, term = DOCKER_HUB, given.arguments[0]
    with open_client(given) as client:
        found = search(client, host, term, limit)
    rows = [_row(one, whole=given.switch("no-trunc")) for one in found if _passes(one, filters)]
    show(session, _SHEET, rows, given.text("format"))


def _passes(found: Found, filters: Mapping[str, tuple[str, ...]]) -> bool:
    if any(not text.isdecimal() for text in filters.get("stars", ())):
        raise UsageError(f"invalid filter 'stars={filters['stars'][0]}'", FAILED)
    return (
        all(found.stars >= int(text) for text in filters.get("stars", ()))
        and all(found.is_official == (text in _YES) for text in filters.get("is-official", ()))
        and all(found.is_automated == (text in _YES) for text in filters.get("is-automated", ()))
    )


def _row(found: Found, *, whole: bool) -> Row:
    description = " ".join(found.description.split())
    return {
        "Name": found.name,
        "Description": description if whole else ellipsised(description, _DESCRIPTION_LENGTH),
        "StarCount": str(found.stars),
        "IsOfficial": "[OK]" if found.is_official else "",
        "IsAutomated": "[OK]" if found.is_automated else "",
    }


SEARCH = Verb(
    "search [OPTIONS] [HOST/]TERM",
    "Search a registry for images",
    perform,
    (
        Flag("limit", "Max number of search results", metavar="int", convert=whole, default=25),
        Flag("no-trunc", "Don't truncate output"),
        FILTER,
        FORMAT,
        *REGISTRY_FLAGS,
    ),
    least=1,
    most=1,
)
