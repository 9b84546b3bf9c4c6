"""Images as the command line names them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.image.descriptor import Descriptor, Platform
    from runtime.image.reference import Reference
    from runtime.image.store import Image, ImageStore
    from runtime.tare.context import Session

SHORT_DIGITS = 12
NONE = "<none>"


def store_of(session: Session) -> ImageStore:
    """The store of the session's root. Nothing else of an engine is needed for images."""
    from pathlib import Path

    from runtime.image.store import ImageStore

    return ImageStore(Path(session.root))


def find_image(store: ImageStore, reference: str) -> Image:
    """The image of this name or id; raises `CommandError` in docker's words."""
    from runtime.image.errors import ImageNotFound
    from runtime.tare.errors import CommandError

    try:
        return store.resolve(reference)
    except ImageNotFound:
        raise CommandError(f"No such image: {with_tag(reference)}") from None


def with_tag(reference: str) -> str:
    """As docker completes a name in messages; an id stays as it is."""
    from runtime.image.errors import InvalidReference
    from runtime.image.reference import Reference

    try:
        return str(Reference.parse(reference).familiar)
    except InvalidReference:
        return reference


def parse_reference(text: str) -> Reference:
    """A name, not an id; raises `CommandError` in docker's words."""
    from runtime.image.errors import InvalidReference
    from runtime.image.reference import Reference
    from runtime.tare.errors import CommandError

    try:
        return Reference.parse(text).familiar
    except InvalidReference as error:
        name = text.partition("@")[0]
        if name != name.lower() and "/" not in name:
            raise CommandError(f"invalid reference format: repository name ({name}) must be lowercase") from error
        raise CommandError(f"invalid reference format: {error}") from error


def short(digest: object) -> str:
    """The digits that a table has room for."""
    return str(digest).rpartition(":")[2][:SHORT_DIGITS]


def named_entries(store: ImageStore, repository: str = "") -> tuple[Descriptor, ...]:
    """The entries of the list that have a name, or one in this repository."""
    from runtime.image.reference import Reference

    entries = store.layout.index().manifests if store.layout.exists() else ()
    named = tuple(entry for entry in entries if entry.ref_name)
    if not repository:
        return named
    return tuple(entry for entry in named if Reference.parse(entry.ref_name).name == repository)


def parse_platform(text: str) -> Platform | None:
    """``os/architecture[/variant]`` or ``architecture``; None for nothing. Raises `CommandError`."""
    from runtime.image.descriptor import Platform
    from runtime.tare.errors import CommandError

    if not text:
        return None
    parts = text.split("/")
    if len(parts) == 1:
        parts.insert(0, "linux")
    if len(parts) > 3 or not all(part.replace(".", "").replace("-", "").replace("_", "").isalnum() for part in parts):
        raise CommandError(f'"{text}" is an invalid platform: unknown operating system or architecture')
    return Platform(parts[0], parts[1], *parts[2:])


def tell_event(session: Session, action: str, image: Image) -> None:
    """For those who listen to ``events``."""
    session.engine.events.tell("image", action, image.digest, {"name": image.reference})
