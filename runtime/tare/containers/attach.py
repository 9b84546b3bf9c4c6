"""``attach``."""

from __future__ import annotations

from runtime.tare.containers.foreground import LEFT, Wish, attend, refuse_no_terminal
from runtime.tare.errors import FAILED, CommandError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """Until it ends, with its exit code; or until the keys that leave it."""
    containers = session.engine.containers
    container = containers.find(given.arguments[0])
    if container.state.status == "paused":
        raise CommandError("You cannot attach to a paused container, unpause it first")
    if container.state.status == "restarting":
        raise CommandError("You cannot attach to a restarting container, wait until it is running")
    if not container.state.is_running:
        raise CommandError("You cannot attach to a stopped container, start it first")
    streams = {"stdout", "stderr"} if given.switch("no-stdin") else {"stdin", "stdout", "stderr"}
    wish = Wish(frozenset(streams), given.switch("sig-proxy"), given.text("detach-keys"))
    refuse_no_terminal(wish, tty=container.config.tty and container.config.stdin_open)
    if not attend(session, container, wish):
        raise CommandError(LEFT, FAILED)
    return containers.wait(container)


ATTACH = Verb(
    "attach [OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    perform,
    (
        Flag("detach-keys", "Override the key sequence for detaching a container", metavar="string"),
        Flag("no-stdin", "Do not attach STDIN"),
        Flag("sig-proxy", "Proxy all received signals to the process", default=True),
    ),
    least=1,
    most=1,
)
