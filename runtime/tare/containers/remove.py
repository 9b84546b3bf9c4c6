"""``rm``."""

from __future__ import annotations

from runtime.engine.errors import NoSuchContainer
from runtime.tare.containers.several import each
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """Remove each."""
    force, volumes = given.switch("force"), given.switch("volumes")

    def remove(container: Container) -> None:
        session.engine.containers.remove(container, force=force, volumes=volumes)

    return each(session, _there(session, given.arguments) if force else given.arguments, remove)


def _there(session: Session, names: Iterable[str]) -> Iterator[str]:
    """To force the removal of what is not there is no failure, but it is told."""
    for name in names:
        try:
            session.engine.containers.find(name)
        except NoSuchContainer as error:
            session.complain(str(error))
        else:
            yield name


REMOVE = Verb(
    "rm [OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    perform,
    (
        Flag("force", "Force the removal of a running container (uses SIGKILL)", short="f"),
        Flag("volumes", "Remove anonymous volumes associated with the container", short="v"),
    ),
    least=1,
    most=None,
)
