"""``run``."""

from __future__ import annotations

from runtime.tare.containers.creating import create
from runtime.tare.containers.creation import CREATE_FLAGS
from runtime.tare.containers.failing import failing
from runtime.tare.errors import UsageError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int | None:
    """Create and start it; in front of us unless it is detached, and then the exit code is its own."""
    if given.switch("detach") and given.was("attach"):
        raise UsageError("conflicting options: cannot specify both --attach and --detach")
    with failing():
        if not given.switch("detach"):
            return _run_here(session, given)
        container = create(session, given)
        session.engine.containers.start(container)
        session.say(container.id)
    return None


def _run_here(session: Session, given: Given) -> int:
    from runtime.tare.containers.foreground import Wish, attend, refuse_no_terminal

    streams = {"stdout", "stderr", *(["stdin"] if given.switch("interactive") else [])}
    wish = Wish(frozenset(given.many("attach") or streams), given.switch("sig-proxy"), given.text("detach-keys"))
    refuse_no_terminal(wish, tty=given.switch("tty"))
    containers = session.engine.containers
    container = create(session, given)
    if not attend(session, container, wish, lambda: containers.start(container)):
        return 0
    return containers.wait(container)


RUN = Verb(
    "run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    perform,
    (
        *CREATE_FLAGS,
        Flag("detach", "Run container in background and print container ID", short="d"),
        Flag("detach-keys", "Override the key sequence for detaching a container", metavar="string"),
        Flag("sig-proxy", "Proxy received signals to the process", default=True),
    ),
    least=1,
    most=None,
    interspersed=False,
)
