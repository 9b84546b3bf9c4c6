"""``create``."""

from __future__ import annotations

from runtime.tare.containers.creating import create
from runtime.tare.containers.creation import CREATE_FLAGS
from runtime.tare.containers.failing import failing
from runtime.tare.errors import FAILED
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """Make it, and print its id."""
    with failing(FAILED):
        session.say(create(session, given).id)


CREATE = Verb(
    "create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create a new container",
    perform,
    CREATE_FLAGS,
    least=1,
    most=None,
    interspersed=False,
)
