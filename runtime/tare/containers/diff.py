"""``diff``."""

from __future__ import annotations

from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """``A`` for added, ``C`` for changed, ``D`` for deleted."""
    container = session.engine.containers.find(given.arguments[0])
    for change in session.engine.containers.changes(container):
        session.say(str(change))


DIFF = Verb(
    "diff CONTAINER", "Inspect changes to files or directories on a container's filesystem", perform, least=1, most=1
)
