"""What ``run`` and ``create`` share: an image that is pulled if it is missing, and the file with the id."""

from __future__ import annotations

import os

from runtime.engine.errors import EngineError, NoSuchImage
from runtime.tare.containers.creation import create_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def create(session: Session, given: Given) -> Container:
    """The container that was asked for; raises what the engine and the registry raise."""
    options = create_options(given)
    cidfile = given.text("cidfile")
    if cidfile and os.path.exists(cidfile):
        raise EngineError(f"container ID file found, make sure the other container isn't running or delete {cidfile}")
    if given.text("pull") == "always":
        _pull(session, given, options.image)
    try:
        container = session.engine.containers.create(options)
    except NoSuchImage:
        if given.text("pull") != "missing":
            raise
        session.note(f"Unable to find image '{_with_tag(options.image)}' locally")
        _pull(session, given, options.image)
        container = session.engine.containers.create(options)
    if cidfile:
        _write(cidfile, container)
    return container


def _pull(session: Session, given: Given, image: str) -> None:
    """Its progress goes to stderr: stdout is the container's."""
    from runtime.tare.images.pull import pull_image

    pull_image(session, image, platform=given.text("platform"), quiet=given.switch("quiet"))


def _with_tag(image: str) -> str:
    name = image.rpartition("/")[2]
    return image if ":" in name or "@" in name else f"{image}:latest"


def _write(path: str, container: Container) -> None:
    try:
        with open(path, "x", encoding="ascii") as file:
            file.write(container.id)
    except OSError as error:
        raise EngineError(f"failed to create the container ID file: {path}: {error.strerror}") from error
