"""``export``."""

from __future__ import annotations

import os
import sys

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """The whole filesystem as a tar archive."""
    containers = session.engine.containers
    container = containers.find(given.arguments[0])
    path = given.text("output")
    if not path:
        if os.isatty(1):
            raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        containers.export(container, sys.stdout.buffer)
        return
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb", opener=_private) as file:
            containers.export(container, file)
        os.rename(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _private(path: str, flags: int) -> int:
    """The files of a container are nobody else's business."""
    return os.open(path, flags, 0o600)


EXPORT = Verb(
    "export [OPTIONS] CONTAINER",
    "Export a container's filesystem as a tar archive",
    perform,
    (Flag("output", "Write to a file, instead of STDOUT", short="o", metavar="string"),),
    least=1,
    most=1,
)
