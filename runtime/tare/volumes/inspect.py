"""``volume inspect``."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.output.documents import inspect
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """The documents of all names."""
    volumes = session.engine.volumes
    return inspect(session, given.arguments, lambda name: volumes.find(name).document(), given.text("format"))


INSPECT = Verb(
    "inspect [OPTIONS] VOLUME [VOLUME...]",
    "Display detailed information on one or more volumes",
    perform,
    (Flag("format", "Format output using a Go template, or 'json'", short="f", metavar="string"),),
    least=1,
    most=None,
)
