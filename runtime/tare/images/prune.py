"""``image prune``."""

from __future__ import annotations

from runtime.tare.confirmation import confirmed
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.output.sizes import human_size
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """Remove those without a name, or all that no container has."""
    everything = given.switch("all")
    filters = parse_filters(given.many("filter"), {"dangling", "label", "label!", "until"})
    which = "all images without at least one container associated to them" if everything else "all dangling images"
    if not given.switch("force") and not confirmed(f"This will remove {which}."):
        return
    pruned = session.engine.system.prune_images(everything=everything, filters=filters)
    if pruned.images:
        session.say("Deleted Images:")
        for line in pruned.images:
            session.say(line[:1].lower() + line[1:])
        session.say("")
    session.say(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")


PRUNE = Verb(
    "prune [OPTIONS]",
    "Remove unused images",
    perform,
    (
        Flag("all", "Remove all unused images, not just dangling ones", short="a"),
        Flag("force", "Do not prompt for confirmation", short="f"),
        Flag("filter", "Provide filter values (e.g. 'until=24h')", metavar="filter", many=True),
    ),
)
