"""``system reset``."""

from __future__ import annotations

from runtime.tare.confirmation import confirmed
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """All that the engine has made below its root."""
    warning = f"This will stop and remove all containers, networks, volumes and images of {session.root}."
    if given.switch("force") or confirmed(warning):
        session.engine.system.reset()


RESET = Verb(
    "reset [OPTIONS]",
    "Stop and remove everything",
    perform,
    (Flag("force", "Do not prompt for confirmation", short="f"),),
)
