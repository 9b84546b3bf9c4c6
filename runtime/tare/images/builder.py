"""``builder prune``."""

from __future__ import annotations

from runtime.build.cache import prune
from runtime.tare.confirmation import confirmed
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """Forget what instructions have made; the layers go with the images that nobody uses."""
    if given.switch("force") or confirmed("This will remove all build cache."):
        session.say(f"Deleted build cache objects: {prune(session.root)}")


PRUNE = Verb(
    "prune [OPTIONS]",
    "Remove build cache",
    perform,
    (
        Flag("all", "Remove all build cache, not just dangling ones, which it always does", short="a"),
        Flag("force", "Do not prompt for confirmation", short="f"),
    ),
)
