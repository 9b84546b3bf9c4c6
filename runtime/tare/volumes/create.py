"""``volume create``."""

from __future__ import annotations

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_DRIVER = "local"


def perform(session: Session, given: Given) -> None:
    """What is printed is the volume's name, a made-up one if none was given."""
    from runtime.tare.containers.environment import pairs

    if given.text("driver") != _DRIVER:
        name = given.text("driver")
        raise CommandError(f'create {name}: error looking up volume plugin {name}: plugin "{name}" not found')
    given_name = given.arguments[0] if given.arguments else given.text("name")
    if given.arguments and given.text("name"):
        raise CommandError("conflicting options: cannot specify a volume-name through both --name and as a "
                           "positional arg")  # fmt: skip
    options = dict(text.partition("=")[::2] for text in given.many("opt"))
    labels = dict(pairs(given.many("label")))
    session.say(session.engine.volumes.create(given_name or None, labels, options).name)


CREATE = Verb(
    "create [OPTIONS] [VOLUME]",
    "Create a volume",
    perform,
    (
        Flag("driver", "Specify volume driver name", short="d", metavar="string", default=_DRIVER),
        Flag("label", "Set metadata for a volume", metavar="list", many=True),
        Flag("name", "Specify volume name", metavar="string", hidden=True),
        Flag("opt", "Set driver specific options", short="o", metavar="map", many=True),
    ),
    most=1,
)
