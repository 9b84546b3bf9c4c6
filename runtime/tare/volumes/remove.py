"""``volume rm`` and ``volume prune``."""

from __future__ import annotations

from runtime.tare.confirmation import confirmed
from runtime.tare.errors import FAILED, UsageError
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.onebyone import one_by_one
from runtime.tare.output.sizes import human_size
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform_remove(session: Session, given: Given) -> int:
    """One after the other."""
    force = given.switch("force")
    return one_by_one(session, given.arguments, lambda name: session.engine.volumes.remove(name, force=force))


def perform_prune(session: Session, given: Given) -> None:
    """Those that nobody has named and nobody uses; with --all named ones, too."""
    filters = parse_filters(given.many("filter"), {"all", "label", "label!"})
    everything = given.switch("all") or any(text in {"true", "1"} for text in filters.get("all", ()))
    if given.switch("all") and "all" in filters:
        raise UsageError("conflicting options: cannot specify both --all and --filter all=1", FAILED)
    which = "all local volumes" if everything else "anonymous local volumes"
    if not given.switch("force") and not confirmed(f"This will remove {which} not used by at least one container."):
        return
    labels = (*filters.get("label", ()), *(f"!{one}" for one in filters.get("label!", ())))
    removed, freed_bytes = session.engine.volumes.prune(everything=everything, labels=labels)
    if removed:
        session.say("\n".join(("Deleted Volumes:", *removed, "")))
    session.say(f"Total reclaimed space: {human_size(freed_bytes)}")


REMOVE = Verb(
    "rm [OPTIONS] VOLUME [VOLUME...]",
    "Remove one or more volumes",
    perform_remove,
    (Flag("force", "Force the removal of one or more volumes", short="f"),),
    least=1,
    most=None,
)
PRUNE = Verb(
    "prune [OPTIONS]",
    "Remove unused local volumes",
    perform_prune,
    (
        Flag("all", "Remove all unused volumes, not just anonymous ones", short="a"),
        Flag("filter", "Provide filter values (e.g. 'label=<label>')", metavar="filter", many=True),
        Flag("force", "Do not prompt for confirmation", short="f"),
    ),
)
