"""``commit``."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.instructions import change_by
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """One more layer, and an image of it; what is printed is its id."""
    from runtime.engine.options import CommitOptions

    name, *reference = given.arguments
    containers = session.engine.containers
    options = CommitOptions(
        reference=reference[0] if reference else "",
        author=given.text("author"),
        message=given.text("message"),
        changes=given.many("change"),
        pause=given.switch("pause"),
    )
    change = change_by(options.changes)
    session.say(containers.commit(containers.find(name), options, change).digest)


COMMIT = Verb(
    "commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Create a new image from a container's changes",
    perform,
    (
        Flag("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', short="a", metavar="string"),
        Flag("change", "Apply Dockerfile instruction to the created image", short="c", metavar="list", many=True),
        Flag("message", "Commit message", short="m", metavar="string"),
        Flag("pause", "Pause container during commit", short="p", default=True),
    ),
    least=1,
    most=2,
)
