"""``inspect``: of whatever answers to a name, a container, an image, a network or a volume."""

from __future__ import annotations

from runtime.engine.errors import NoSuchContainer, NoSuchNetwork, NoSuchVolume
from runtime.tare.errors import FAILED, CommandError, UsageError
from runtime.tare.flags import Flag
from runtime.tare.output.documents import inspect
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_SIZE = Flag("size", "Display total file sizes if the type is container", short="s")
_FORMAT = Flag("format", "Format output using a Go template, or 'json'", short="f", metavar="string")
_KINDS = ("container", "image", "network", "volume")


def perform(session: Session, given: Given) -> int:
    """The documents of all names."""
    kind = given.text("type")
    if kind and kind not in _KINDS:
        raise UsageError(f'"{kind}" is not a valid value for --type', FAILED)
    finders = _finders(session, size=given.switch("size"))
    chosen = [finders[kind]] if kind else list(finders.values())
    return inspect(session, given.arguments, lambda name: _first(name, chosen, kind), given.text("format"))


def perform_container(session: Session, given: Given) -> int:
    """The documents of containers."""
    find = _finders(session, size=given.switch("size"))["container"]
    return inspect(session, given.arguments, find, given.text("format"))


def _first(name: str, finders: list[Callable[[str], Any]], kind: str) -> Any:
    """Of the first kind that has one; an error of another sort is told."""
    for find in finders:
        try:
            return find(name)
        except Exception as error:
            if kind or not _means_none(error):
                raise
    raise CommandError(f"No such object: {name}")


def _means_none(error: Exception) -> bool:
    """A name that no image can have is none of an image, too."""
    return isinstance(error, CommandError | NoSuchContainer | NoSuchNetwork | NoSuchVolume)


def _finders(session: Session, *, size: bool) -> dict[str, Callable[[str], Any]]:
    return {
        "container": lambda name: _container(session, name, size=size),
        "image": lambda name: _image(session, name),
        "network": session.engine.networks.inspect,
        "volume": lambda name: session.engine.volumes.find(name).document(),
    }


def _container(session: Session, name: str, *, size: bool) -> Any:
    containers = session.engine.containers
    container = containers.find(name)
    document = containers.inspect(container)
    if size:
        from runtime.engine.df import container_size

        document["SizeRw"], document["SizeRootFs"] = container_size(container)
    return document


def _image(session: Session, name: str) -> Any:
    from runtime.tare.images.inspect import document_of

    return document_of(session, name)


INSPECT = Verb(
    "inspect [OPTIONS] NAME|ID [NAME|ID...]",
    "Return low-level information on objects",
    perform,
    (_FORMAT, _SIZE, Flag("type", "Only inspect objects of the given type", metavar="string")),
    least=1,
    most=None,
)
INSPECT_CONTAINER = Verb(
    "inspect [OPTIONS] CONTAINER [CONTAINER...]",
    "Display detailed information on one or more containers",
    perform_container,
    (_FORMAT, _SIZE),
    least=1,
    most=None,
)
