"""Verbs for several containers: what fails for one is complained of, and the others have their turn."""

from __future__ import annotations

from runtime.tare.onebyone import one_by_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.engine.container import Container
    from runtime.tare.context import Session


def each(session: Session, names: Iterable[str], act: Callable[[Container], object]) -> int:
    """Print the name that was given for each that it was done to, or what ``act`` returns; the exit code."""
    return one_by_one(session, names, lambda name: act(session.engine.containers.find(name)))
