"""Removing images: names first, the image with its last one, its blobs and layers unless another has them (``rmi``).

The rules and the lines are Docker's (moby, daemon/images/image_delete.go): an image that a container was made of stays
unless forced, one of a running container stays in any case; an image of several names goes by its id only when forced.
"""

from __future__ import annotations

import enum
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runtime.image.collect import release
from runtime.image.errors import ImageError, ImageNotFound, InvalidReference, StoreError
from runtime.image.reference import Reference
from runtime.image.sizes import layer_sizes
from runtime.image.unpack import chain_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from runtime.image.store import Image, ImageStore

_SHORT_ID = 12


class ImageInUse(ImageError):
    """An image that a container, or another name, still needs; the message says which."""


class Action(enum.Enum):
    """What was done; the value is Docker's word for it."""

    UNTAGGED = "Untagged"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what was done: a name that is gone, or the digest of an image or layer."""

    action: Action
    what: str

    def __str__(self) -> str:
        return f"{self.action.value}: {self.what}"


@dataclass(frozen=True, slots=True)
class Use:
    """A container that was made of an image."""

    container_id: str
    running: bool


class Uses(Protocol):
    """What containers need; whoever removes images knows them."""

    def of(self, image: Image) -> Sequence[Use]:
        """The containers that were made of the image."""

    def layers(self) -> Iterable[Path]:
        """The directories of extracted layers that containers are mounted on, or would be."""


class NoUses:
    """Nobody uses anything."""

    def of(self, _image: Image) -> Sequence[Use]:
        """None."""
        return ()

    def layers(self) -> Iterable[Path]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune has removed."""

    lines: tuple[Line, ...]
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """Which images go: those without a name, or ``all`` that no container was made of; ``wanted`` keeps more."""

    all: bool = False
    wanted: Callable[[Image], bool] = field(default=lambda _: True)


def remove_image(store: ImageStore, reference: str, uses: Uses | None = None, *, force: bool = False) -> list[Line]:
    """Remove a name, and with an image's last one the image. Raises `ImageInUse`, `ImageNotFound`."""
    uses = uses or NoUses()
    try:
        image = store.resolve(reference)
    except StoreError:
        store.untag(reference)  # what is damaged can be got rid of
        return [Line(Action.UNTAGGED, str(Reference.parse(reference)))]
    names = store.names(image)
    if by_name(reference, image):
        name = image.reference
        if len(names) > 1:
            store.untag(name)
            return [Line(Action.UNTAGGED, name)]
        _check_uses(uses, image, f"remove repository reference {reference!r}", force=force)
        return _delete(store, image, uses)[0]
    if len({_repository(name) for name in names}) > 1 and not force:
        what = f"delete {_short(image.digest)} (must be forced)"
        raise ImageInUse(f"conflict: unable to {what} - image is referenced in multiple repositories")
    _check_uses(uses, image, f"delete {_short(image.digest)}", force=force)
    return _delete(store, image, uses)[0]


def prune_images(store: ImageStore, options: PruneOptions, uses: Uses | None = None) -> Pruned:
    """Remove the images that nobody needs; what each would free is counted as it goes."""
    uses = uses or NoUses()
    lines: list[Line] = []
    freed_bytes = 0
    for image in {image.digest: image for image in store.images()}.values():
        needed = bool(store.names(image)) and not options.all
        if needed or uses.of(image) or not options.wanted(image):
            continue
        with suppress(ImageNotFound):  # somebody else was faster
            gone, freed = _delete(store, image, uses)
            lines += gone
            freed_bytes += freed
    return Pruned(tuple(lines), freed_bytes)


def by_name(reference: str, image: Image) -> bool:
    """Whether the reference that found the image is one of its names, not its digest or the beginning of it."""
    try:
        parsed = Reference.parse(reference)
    except InvalidReference:
        return False
    return not parsed.digest and image.reference in {str(parsed), reference}


def _check_uses(uses: Uses, image: Image, action: str, *, force: bool) -> None:
    used = sorted(uses.of(image), key=lambda use: not use.running)
    if not used or (force and not used[0].running):
        return
    container = _short(used[0].container_id)
    if used[0].running:
        reason = f"(cannot be forced) - image is being used by running container {container}"
    elif action.startswith("remove"):
        reason = f"(must force) - container {container} is using its referenced image {_short(image.digest)}"
    else:
        reason = f"(must be forced) - image is being used by stopped container {container}"
    raise ImageInUse(f"conflict: unable to {action} {reason}")


def _delete(store: ImageStore, image: Image, uses: Uses) -> tuple[list[Line], int]:
    """What was done, and how many bytes the layers that are gone held."""
    chain = chain_ids(image.config.diff_ids)
    held = dict(zip(chain, layer_sizes(store, image), strict=True))
    entries = store.forget(image)
    if not entries:
        raise ImageNotFound(f"image {image.reference!r} not found: somebody has removed it meanwhile")
    lines = [Line(Action.UNTAGGED, entry.ref_name) for entry in entries if entry.ref_name]
    lines.append(Line(Action.DELETED, image.digest))
    released = release(store, entries, image, uses.layers())
    lines += [Line(Action.DELETED, str(chain_id)) for chain_id in reversed(released)]
    return lines, sum(held[chain_id] for chain_id in released)


def _repository(name: str) -> str:
    return Reference.parse(name).name


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:_SHORT_ID]
