"""``network rm`` and ``network prune``."""

from __future__ import annotations

from runtime.tare.confirmation import confirmed
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.onebyone import one_by_one
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform_remove(session: Session, given: Given) -> int:
    """One after the other."""
    return one_by_one(session, given.arguments, lambda name: _removed(session, name, force=given.switch("force")))


def _removed(session: Session, name: str, *, force: bool) -> str:
    from runtime.engine.errors import NoSuchNetwork

    try:
        session.engine.networks.remove(name)
    except NoSuchNetwork:
        if not force:
            raise
    return name


def perform_prune(session: Session, given: Given) -> None:
    """Those that no container has."""
    filters = parse_filters(given.many("filter"), {"label", "label!", "until"})
    warning = "This will remove all custom networks not used by at least one container."
    if not given.switch("force") and not confirmed(warning):
        return
    removed = session.engine.networks.prune(filters)
    if removed:
        session.say("\n".join(("Deleted Networks:", *removed, "")))


REMOVE = Verb(
    "rm [OPTIONS] NETWORK [NETWORK...]",
    "Remove one or more networks",
    perform_remove,
    (Flag("force", "Do not error if the network does not exist", short="f"),),
    least=1,
    most=None,
)
PRUNE = Verb(
    "prune [OPTIONS]",
    "Remove all unused networks",
    perform_prune,
    (
        Flag("filter", "Provide filter values (e.g. 'until=24h')", metavar="filter", many=True),
        Flag("force", "Do not prompt for confirmation", short="f"),
    ),
)
