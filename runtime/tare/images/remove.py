"""``rmi``."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.images.names import with_tag
from runtime.tare.onebyone import one_by_one
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """A name, and with its last one the image."""
    return one_by_one(session, given.arguments, lambda name: _removed(session, name, force=given.switch("force")))


def _removed(session: Session, name: str, *, force: bool) -> str:
    from runtime.engine.prune import ImageUses
    from runtime.image.errors import ImageNotFound
    from runtime.image.removal import Action, remove_image
    from runtime.tare.errors import CommandError

    engine = session.engine
    try:
        engine.images.resolve(name)
    except ImageNotFound as error:
        raise CommandError(f"No such image: {with_tag(name)}") from error
    lines = remove_image(engine.images, name, ImageUses(engine), force=force)
    for line in lines:
        engine.events.tell("image", "untag" if line.action is Action.UNTAGGED else "delete", line.what)
    return "\n".join(map(str, lines))


REMOVE = Verb(
    "rmi [OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    perform,
    (
        Flag("force", "Force removal of the image", short="f"),
        Flag("no-prune", "Do not delete untagged parents (there are none)"),
    ),
    least=1,
    most=None,
)
