"""``top``."""

from __future__ import annotations

from runtime.tare.output.table import aligned
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """The processes, with the host's ids."""
    name, *options = given.arguments
    containers = session.engine.containers
    table = containers.top(containers.find(name), tuple(options))
    for line in aligned(["\t".join(row) for row in (table.titles, *table.processes)]):
        session.say(line)


TOP = Verb(
    "top CONTAINER [ps OPTIONS]",
    "Display the running processes of a container",
    perform,
    least=1,
    most=None,
    interspersed=False,
)
