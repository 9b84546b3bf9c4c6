"""``top``."""

from __future__ import annotations

from runtime.engine.top import top
from runtime.tare.output.table import aligned
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """The processes, with the host's ids."""
    name, *options = given.arguments
    table = top(session.engine.containers.find(name), options)
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
