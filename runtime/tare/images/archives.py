"""``save`` and ``load``: images into files and pipes, and out of them."""

from __future__ import annotations

import sys

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag
from runtime.tare.images.names import find_image, store_of, tell_event
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from runtime.image.store import Image, ImageStore
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform_save(session: Session, given: Given) -> None:
    """Into a file, or to stdout unless that is a terminal."""
    store = store_of(session)
    for name in given.arguments:
        if not _is_repository(store, name):
            find_image(store, name)
    output = given.text("output")
    if output:
        _save_file(store, given.arguments, output)
    elif sys.stdout.isatty():
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    else:
        from runtime.image.saving import save

        session.flush()
        save(store, given.arguments, sys.stdout.buffer)


def _is_repository(store: ImageStore, name: str) -> bool:
    """A name without a tag is all the tags that it has."""
    from runtime.tare.images.names import named_entries

    return bool(named_entries(store, name))


def _save_file(store: ImageStore, names: list[str], output: str) -> None:
    """Whole, or not at all: the file gets its name when all of it is written out (docker does so, too)."""
    import os

    from runtime.image.saving import save

    partial = f"{output}.{os.getpid()}.partial"
    try:
        with open(partial, "xb") as file:
            save(store, names, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, output)
    except OSError as error:
        raise CommandError(f"failed to save image: write {output}: {(error.strerror or '').lower()}") from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def perform_load(session: Session, given: Given) -> None:
    """From a file, or from stdin unless that is a terminal."""
    from runtime.image.importer import load_stream

    store = store_of(session)
    for file, name in _input(given.text("input")):
        for image in load_stream(store, file, name):
            tell_event(session, "load", image)
            session.say(_loaded(image))


def _input(path: str) -> Iterator[tuple[BinaryIO, str]]:
    """One, open, with what messages call it."""
    if not path:
        if sys.stdin.isatty():
            raise CommandError("requested load from stdin, but stdin is empty")
        yield sys.stdin.buffer, "stdin"
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; what is done with it may fail in ways of its own
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or '').lower()}") from error
    with file:
        yield file, path


def _loaded(image: Image) -> str:
    if image.reference == image.digest:
        return f"Loaded image ID: {image.digest}"
    return f"Loaded image: {image.reference}"


SAVE = Verb(
    "save [OPTIONS] IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    perform_save,
    (Flag("output", "Write to a file, instead of STDOUT", short="o", metavar="string"),),
    least=1,
    most=None,
)
LOAD = Verb(
    "load [OPTIONS]",
    "Load an image from a tar archive or STDIN",
    perform_load,
    (
        Flag("input", "Read from tar archive file, instead of STDIN", short="i", metavar="string"),
        Flag("quiet", "Suppress the load output", short="q"),
    ),
)
