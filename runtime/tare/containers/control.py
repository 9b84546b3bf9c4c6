"""``stop``, ``restart``, ``kill``, ``pause``, ``unpause``, ``wait`` and ``rename``."""

from __future__ import annotations

from runtime.tare.containers.several import each
from runtime.tare.flags import Flag, whole
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def _timeout_s(given: Given) -> float | None:
    """``-t``; ``--time`` is its older name. A negative one is as long as it takes."""
    seconds = given.number("timeout") if given.was("timeout") else given.number("time")
    if seconds is None:
        return None
    return float(seconds) if seconds >= 0 else float("inf")


def perform_stop(session: Session, given: Given) -> int:
    """Stop each."""
    containers = session.engine.containers
    signal = given.text("signal") or None
    return each(session, given.arguments, lambda one: containers.stop(one, _timeout_s(given), signal))


def perform_restart(session: Session, given: Given) -> int:
    """Restart each; ``--signal`` is what it is asked to stop with."""
    containers = session.engine.containers

    def restart(container: Container) -> None:
        if given.was("signal") and container.state.is_running:
            containers.stop(container, _timeout_s(given), given.text("signal"))
        containers.restart(container, _timeout_s(given))

    return each(session, given.arguments, restart)


def perform_kill(session: Session, given: Given) -> int:
    """Send each a signal."""
    containers = session.engine.containers
    return each(session, given.arguments, lambda one: containers.kill(one, given.text("signal")))


def perform_pause(session: Session, given: Given) -> int:
    """Freeze each."""
    return each(session, given.arguments, session.engine.containers.pause)


def perform_unpause(session: Session, given: Given) -> int:
    """Let each go on."""
    return each(session, given.arguments, session.engine.containers.unpause)


def perform_wait(session: Session, given: Given) -> int:
    """Print each one's exit code once it has ended."""
    return each(session, given.arguments, session.engine.containers.wait)


def perform_rename(session: Session, given: Given) -> None:
    """Call it otherwise; nothing is printed."""
    old, new = given.arguments
    containers = session.engine.containers
    containers.rename(containers.find(old), new)


_SEVERAL = "[OPTIONS] CONTAINER [CONTAINER...]"
_STOP_FLAGS = (
    Flag("signal", "Signal to send to the container", short="s", metavar="string"),
    Flag("timeout", "Seconds to wait before killing the container", short="t", metavar="int", convert=whole),
    Flag("time", "Seconds to wait before killing the container", metavar="int", convert=whole, hidden=True),
)

STOP = Verb(f"stop {_SEVERAL}", "Stop one or more running containers", perform_stop, _STOP_FLAGS, 1, None)
RESTART = Verb(f"restart {_SEVERAL}", "Restart one or more containers", perform_restart, _STOP_FLAGS, 1, None)
KILL = Verb(
    f"kill {_SEVERAL}", "Kill one or more running containers", perform_kill,
    (Flag("signal", "Signal to send to the container", short="s", metavar="string", default="SIGKILL"),), 1, None,
)  # fmt: skip
PAUSE = Verb("pause CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", perform_pause,
             (), 1, None)  # fmt: skip
UNPAUSE = Verb("unpause CONTAINER [CONTAINER...]", "Unpause all processes within one or more containers",
               perform_unpause, (), 1, None)  # fmt: skip
WAIT = Verb("wait CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes",
            perform_wait, (), 1, None)  # fmt: skip
RENAME = Verb("rename CONTAINER NEW_NAME", "Rename a container", perform_rename, (), 2, 2)
