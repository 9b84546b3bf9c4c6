"""``cp``."""

from __future__ import annotations

import os
import sys

from runtime.tare.errors import CommandError, UsageError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


class Place(Value):
    """A path, of a container if that is not empty; ``-`` is an archive on our streams."""

    container: str
    path: str


def parse_place(text: str) -> Place:
    """``CONTAINER:PATH`` or a path of ours, which is one for certain if it begins with ``/`` or ``.``."""
    name, colon, path = text.partition(":")
    if not colon or not name or text.startswith((".", "/")):
        return Place("", text)
    return Place(name, path)


def perform(session: Session, given: Given) -> None:
    """One way or the other, never between containers."""
    source, target = map(parse_place, given.arguments)
    if source.container and target.container:
        raise CommandError("copying between containers is not supported")
    if not source.container and not target.container:
        raise UsageError("must specify at least one container source", 1)
    if not source.path or not target.path:
        raise CommandError("source can not be empty" if not source.path else "destination can not be empty")
    if source.container:
        _copy_out(session, given, source, target)
    else:
        _copy_in(session, given, source, target)


def _copy_out(session: Session, given: Given, source: Place, target: Place) -> None:
    containers = session.engine.containers
    container = containers.find(source.container)
    if target.path == "-":
        containers.copy_from(container, source.path, sys.stdout.buffer, follow=given.switch("follow-link"))
        return
    containers.copy_out(
        container, source.path, target.path, follow=given.switch("follow-link"), keep_owner=given.switch("archive")
    )
    _note(session, given, f"Successfully copied to {os.path.abspath(target.path)}")


def _copy_in(session: Session, given: Given, source: Place, target: Place) -> None:
    containers = session.engine.containers
    container = containers.find(target.container)
    if source.path == "-":
        containers.copy_to(container, target.path, sys.stdin.buffer)
        return
    containers.copy_in(
        container, source.path, target.path, follow=given.switch("follow-link"), keep_owner=given.switch("archive")
    )
    _note(session, given, f"Successfully copied to {target.container}:{target.path}")


def _note(session: Session, given: Given, text: str) -> None:
    """Only where somebody looks, as docker does."""
    if not given.switch("quiet") and os.isatty(2):
        session.note(text)


COPY = Verb(
    "cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files/folders between a container and the local filesystem",
    perform,
    (
        Flag("archive", "Archive mode (copy all uid/gid information)", short="a"),
        Flag("follow-link", "Always follow symbol link in SRC_PATH", short="L"),
        Flag("quiet", "Suppress progress output during copy", short="q"),
    ),
    least=2,
    most=2,
    details="Use '-' as the source to read a tar archive from stdin and extract it to a directory in a container.\n"
    "Use '-' as the destination to stream a tar archive of a container source to stdout.",
)
