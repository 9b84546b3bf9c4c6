"""``logs``."""

from __future__ import annotations

import sys
import time

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.supervision.entries import LogEntry
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """What it has written, on the stream that it has written it to."""
    container = session.engine.containers.find(given.arguments[0])
    since_ns, until_ns = _moment(given.text("since")), _moment(given.text("until"))
    follow = given.switch("follow") and (until_ns is None or until_ns > time.time_ns())
    entries = session.engine.containers.logs(container, _tail(given.text("tail")), since_ns, follow=follow)
    begins = dict.fromkeys(("stdout", "stderr"), True)
    for entry in entries:
        if until_ns is not None and entry.taken_at_ns > until_ns:
            return
        _write(entry, stamped=given.switch("timestamps") and begins[entry.stream], flush=follow)
        begins[entry.stream] = entry.content.endswith(b"\n")


def _write(entry: LogEntry, *, stamped: bool, flush: bool) -> None:
    """A piece that goes on with a line has no time of its own."""
    out = (sys.stderr if entry.stream == "stderr" else sys.stdout).buffer
    if stamped:
        out.write(f"{_stamp(entry.taken_at_ns)} ".encode())
    out.write(entry.content)
    if flush or out is sys.stderr.buffer:
        sys.stdout.flush()
        out.flush()


def _stamp(moment_ns: int) -> str:
    """RFC 3339 with all nanoseconds, so that lines sort."""
    seconds, rest = divmod(moment_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def _moment(text: str) -> int | None:
    if not text:
        return None
    from runtime.engine.moments import parse_moment

    return parse_moment(text)


def _tail(text: str) -> int | None:
    """How many lines; None is all."""
    if text == "all" or (text.startswith("-") and text[1:].isdecimal()):
        return None
    if not text.isdecimal():
        raise UsageError(f'invalid value for "tail": {text}', FAILED)
    return int(text)


LOGS = Verb(
    "logs [OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    perform,
    (
        Flag("follow", "Follow log output", short="f"),
        Flag("since", 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
             metavar="string"),
        Flag("tail", "Number of lines to show from the end of the logs", short="n", metavar="string", default="all"),
        Flag("timestamps", "Show timestamps", short="t"),
        Flag("until", 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 '
             "minutes)", metavar="string"),
        Flag("details", "Show extra details provided to logs", hidden=True),
    ),
    least=1,
    most=1,
)  # fmt: skip
