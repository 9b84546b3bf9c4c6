"""``system prune``."""

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
    """Containers that do not run, networks and images that nobody uses, with --volumes volumes, too."""
    everything, volumes = given.switch("all"), given.switch("volumes")
    filters = parse_filters(given.many("filter"), {"label", "label!", "until"})
    if not given.switch("force") and not confirmed(_warning(everything=everything, volumes=volumes)):
        return
    if not filters:
        from runtime.build.cache import prune as forget_cache

        forget_cache(session.engine.home.root)
    pruned = session.engine.system.prune(everything=everything, volumes=volumes, filters=filters)
    images = [f"{line[:1].lower()}{line[1:]}" for line in pruned.images]
    parts = {
        "Containers": pruned.containers,
        "Networks": pruned.networks,
        "Volumes": pruned.volumes,
        "Images": images,
    }
    for kind, names in parts.items():
        if names:
            session.say("\n".join((f"Deleted {kind}:", *names, "")))
    session.say(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")


def _warning(*, everything: bool, volumes: bool) -> str:
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if volumes:
        lines.append("all anonymous volumes not used by at least one container")
    if everything:
        lines.append("all images without at least one container associated to them")
    else:
        lines.append("all dangling images")
    lines.append("unused build cache")
    return "\n".join(("This will remove:", *(f"  - {line}" for line in lines))) + "\n"


PRUNE = Verb(
    "prune [OPTIONS]",
    "Remove unused data",
    perform,
    (
        Flag("all", "Remove all unused images not just dangling ones", short="a"),
        Flag("filter", "Provide filter values (e.g. 'label=<key>=<value>')", metavar="filter", many=True),
        Flag("force", "Do not prompt for confirmation", short="f"),
        Flag("volumes", "Prune anonymous volumes"),
    ),
)
