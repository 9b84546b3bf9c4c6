"""``events``."""

from __future__ import annotations

import time

from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.output.listing import Sheet, lines_of
from runtime.tare.verb import FILTER, FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.events import Event
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_SHEET = Sheet("", {})


def perform(session: Session, given: Given) -> None:
    """One line each, as they happen."""
    since_ns, until_ns = _moment(given.text("since")), _moment(given.text("until"))
    template = given.text("format")
    if template:
        lines_of(_SHEET, (), template)  # says what is wrong with it before something happens
    for event in session.engine.events.recent(since_ns, until_ns, parse_filters(given.many("filter"))):
        session.say(lines_of(_SHEET, [_row(event)], template)[0] if template else _line(event))
        session.flush()


def _moment(text: str) -> int | None:
    if not text:
        return None
    from runtime.engine.moments import parse_moment

    return parse_moment(text)


def _row(event: Event) -> dict[str, Any]:
    """The fields of the API, and those that templates know by other names."""
    document = event.document()
    return document | {"ID": event.actor_id, "Time": document["time"], "TimeNano": document["timeNano"]}


def _line(event: Event) -> str:
    """As docker's: time, type, action, actor and what is known of it."""
    seconds, rest = divmod(event.time_ns, 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest:09}{zone[:3]}:{zone[3:]}"
    known = ", ".join(f"{name}={content}" for name, content in event.attributes)
    return f"{stamp} {event.kind} {event.action} {event.actor_id}{f' ({known})' if known else ''}"


EVENTS = Verb(
    "events [OPTIONS]",
    "Get events of the engine as they happen",
    perform,
    (
        FILTER,
        FORMAT,
        Flag("since", "Show all events created since timestamp", metavar="string"),
        Flag("until", "Stream events until this timestamp", metavar="string"),
    ),
)
