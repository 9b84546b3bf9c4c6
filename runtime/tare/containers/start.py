"""``start``."""

from __future__ import annotations

from runtime.tare.containers.several import each
from runtime.tare.errors import FAILED, CommandError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """Start each; one alone may be in front of us."""
    containers = session.engine.containers
    if not (given.switch("attach") or given.switch("interactive")):

        def start(container: Container) -> None:
            containers.start(container)

        return each(session, given.arguments, start)
    if len(given.arguments) > 1:
        raise CommandError("you cannot start and attach multiple containers at once", FAILED)
    return _start_here(session, given)


def _start_here(session: Session, given: Given) -> int:
    from runtime.tare.containers.failing import failing
    from runtime.tare.containers.foreground import Wish, attend, refuse_no_terminal

    containers = session.engine.containers
    container = containers.find(given.arguments[0])
    streams = {"stdout", "stderr", *(["stdin"] if given.switch("interactive") else [])}
    wish = Wish(frozenset(streams), given.switch("sig-proxy"), given.text("detach-keys"))
    refuse_no_terminal(wish, tty=container.config.tty)
    with failing(FAILED):
        if not attend(session, container, wish, lambda: containers.start(container)):
            return 0
        return containers.wait(container)


START = Verb(
    "start [OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    perform,
    (
        Flag("attach", "Attach STDOUT/STDERR and forward signals", short="a"),
        Flag("interactive", "Attach container's STDIN", short="i"),
        Flag("detach-keys", "Override the key sequence for detaching a container", metavar="string"),
        Flag("sig-proxy", "Proxy received signals to the process", default=True, hidden=True),
    ),
    least=1,
    most=None,
)
