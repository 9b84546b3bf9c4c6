"""Verbs for several containers: what fails for one is complained of, and the others have their turn."""

from __future__ import annotations

from runtime.tare.errors import DONE, FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.engine.container import Container
    from runtime.tare.context import Session


def each(session: Session, names: Iterable[str], act: Callable[[Container], object]) -> int:
    """Print the name that was given for each that it was done to, or what ``act`` returns; the exit code."""
    code = DONE
    for name in names:
        try:
            result = act(session.engine.containers.find(name))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one container's
            from runtime.tare.reports import sentence

            session.complain(sentence(error))
            code = FAILED
        else:
            session.say(name if result is None else str(result))
            session.flush()
    return code
