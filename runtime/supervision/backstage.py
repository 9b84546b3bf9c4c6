"""What is done around a container's life by somebody who knows more of it than its bundle: its engine.

The supervisor is told the name of it when it is started, ``module:attribute``, calls that with its root directory, and
keeps what comes of it. So what the module imports is imported once, and not by every start.
"""

from __future__ import annotations

from runtime.supervision.errors import SupervisionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol
else:
    Protocol = object


class Backstage(Protocol):
    """All but `tell` are called in a child of the supervisor's; what they raise is `SupervisionError`."""

    def prepare(self, container_id: str) -> None:
        """Before each launch. What fails leaves nothing, and is why the container does not start."""

    def running(self, container_id: str, pid: int) -> None:
        """It has a process, which has not executed its program yet."""

    def ended(self, container_id: str) -> None:
        """Its last process has gone, or it was not started after all. Idempotent."""

    def removed(self, container_id: str) -> None:
        """It is to be forgotten. Idempotent."""

    def rest(self) -> None:
        """For a while nothing has begun or ended: what was kept for the next container need not be any more."""

    def tell(self, container_id: str, action: str, attributes: dict[str, str]) -> None:
        """Something has happened: start, die, oom, stop, kill, pause, unpause or health_status."""


class Nobody:
    """There is nothing but the bundle."""

    def __init__(self, root: str) -> None:
        """The supervisor's root directory is of no interest."""

    def prepare(self, container_id: str) -> None:
        """Nothing."""

    def running(self, container_id: str, pid: int) -> None:
        """Nothing."""

    def ended(self, container_id: str) -> None:
        """Nothing."""

    def removed(self, container_id: str) -> None:
        """Nothing."""

    def rest(self) -> None:
        """Nothing."""

    def tell(self, container_id: str, action: str, attributes: dict[str, str]) -> None:
        """Nobody."""


NOBODY = f"{__name__}:{Nobody.__name__}"


def load_backstage(name: str, root: str) -> Backstage:
    """Raises `SupervisionError` if there is none of that name."""
    module, _, attribute = name.partition(":")
    try:
        make: Callable[[str], Backstage] = getattr(__import__(module, fromlist=(attribute,)), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SupervisionError(f"load {name!r}: {error}") from error
    return make(root)
