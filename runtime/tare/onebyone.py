"""One thing done to each of several names: what fails for one is complained of, and the others have their turn."""

from __future__ import annotations

from runtime.tare.errors import DONE, FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.tare.context import Session


def one_by_one(session: Session, names: Iterable[str], act: Callable[[str], object]) -> int:
    """Print what ``act`` returns, the name itself if that is nothing; the exit code."""
    code = DONE
    for name in names:
        try:
            result = act(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one name's
            from runtime.tare.reports import sentence

            session.complain(sentence(error))
            code = FAILED
        else:
            session.say(name if result is None else str(result))
            session.flush()
    return code
