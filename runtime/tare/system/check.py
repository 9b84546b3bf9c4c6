"""``system check``."""

from __future__ import annotations

from runtime.tare.errors import DONE, FAILED
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """A line for each problem; the exit code says whether there is one left."""
    found = session.engine.system.check(repair=given.switch("repair"))
    for problem in found.problems:
        session.say(f"{problem.message}: {problem.outcome}" if problem.outcome else problem.message)
    if not given.switch("quiet"):
        count = sum(not problem.is_repaired for problem in found.problems)
        state = "sound" if found.is_sound else f"{count} problem{'s' * (count != 1)}"
        session.say(f"Checked {found.blobs} blobs and {found.containers} containers: {state}")
    return DONE if found.is_sound else FAILED


CHECK = Verb(
    "check [OPTIONS]",
    "Verify the images and all that is remembered of containers",
    perform,
    (
        Flag("quiet", "Only print problems", short="q"),
        Flag("repair", "Put right what can be put right without losing anything", short="r"),
    ),
)
