"""``history``."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.images.names import find_image, short, store_of
from runtime.tare.output.ages import ago, seconds_of
from runtime.tare.output.listing import Sheet, show
from runtime.tare.output.sizes import human_size
from runtime.tare.output.table import ellipsised
from runtime.tare.verb import FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.image.history import Step
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.listing import Row

_SHEET = Sheet(
    "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    {
        "ID": "IMAGE",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "CreatedBy": "CREATED BY",
        "Size": "SIZE",
        "Comment": "COMMENT",
    },
)
_COMMAND_LENGTH, _COMMENT_LENGTH = 45, 45


def perform(session: Session, given: Given) -> None:
    """The last step first."""
    from runtime.image.history import history

    store = store_of(session)
    steps = history(store, find_image(store, given.arguments[0]))
    whole = given.switch("no-trunc")
    if given.switch("quiet") and not given.text("format"):
        for step in steps:
            session.say(_id(step, whole=whole))
        return
    rows = [_row(step, whole=whole, human=given.switch("human")) for step in steps]
    show(session, _SHEET, rows, given.text("format"))


def _row(step: Step, *, whole: bool, human: bool) -> Row:
    created = seconds_of(step.created)
    by = " ".join(step.created_by.split())
    at = step.created[:19] + "Z" if created else "N/A"
    return {
        "ID": _id(step, whole=whole),
        "CreatedSince": (ago(created) if human else at) if created else "N/A",
        "CreatedAt": at,
        "CreatedBy": by if whole else ellipsised(by, _COMMAND_LENGTH),
        "Size": human_size(step.size_bytes) if human else str(step.size_bytes),
        "Comment": step.comment if whole else ellipsised(step.comment, _COMMENT_LENGTH),
    }


def _id(step: Step, *, whole: bool) -> str:
    return step.image if whole or ":" not in step.image else short(step.image)


HISTORY = Verb(
    "history [OPTIONS] IMAGE",
    "Show the history of an image",
    perform,
    (
        Flag("human", "Print sizes and dates in human readable format", short="H", default=True),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", short="q"),
        FORMAT,
    ),
    least=1,
    most=1,
)
