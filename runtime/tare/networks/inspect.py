"""``network inspect``."""

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
    return inspect(session, given.arguments, session.engine.networks.inspect, given.text("format"))


INSPECT = Verb(
    "inspect [OPTIONS] NETWORK [NETWORK...]",
    "Display detailed information on one or more networks",
    perform,
    (
        Flag("format", "Format output using a Go template, or 'json'", short="f", metavar="string"),
        Flag("verbose", "Verbose output for diagnostics", short="v"),
    ),
    least=1,
    most=None,
)
