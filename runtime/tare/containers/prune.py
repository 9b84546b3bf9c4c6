"""``container prune``."""

from __future__ import annotations

from runtime.tare.confirmation import confirmed
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.output.sizes import human_size
from runtime.tare.verb import PRUNE_FILTER, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """Remove those that do not run."""
    filters = parse_filters(given.many("filter"), {"label", "label!", "until"})
    if not given.switch("force") and not confirmed("This will remove all stopped containers."):
        return
    pruned = session.engine.system.prune_containers(filters)
    if pruned.containers:
        session.say("Deleted Containers:")
        for container_id in pruned.containers:
            session.say(container_id)
        session.say("")
    session.say(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")


PRUNE = Verb(
    "prune [OPTIONS]",
    "Remove all stopped containers",
    perform,
    (Flag("force", "Do not prompt for confirmation", short="f"), PRUNE_FILTER),
)
