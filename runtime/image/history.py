"""How an image came about, step by step (``history``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.config import History
from runtime.image.sizes import layer_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.store import Image, ImageStore

MISSING = "<missing>"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``image`` is the image's digest for the last one, as earlier ones are no images of their own."""

    image: str
    created: str
    created_by: str
    size_bytes: int
    comment: str
    author: str = ""


def history(store: ImageStore, image: Image) -> tuple[Step, ...]:
    """The steps, the last first. A layer that the history does not know is a step too."""
    steps = [
        Step(MISSING, entry.created, entry.created_by, size, entry.comment, entry.author)
        for entry, size in _with_sizes(image, iter(layer_sizes(store, image)))
    ]
    steps.reverse()
    if not steps:
        return ()
    last = steps[0]
    steps[0] = Step(image.digest, last.created, last.created_by, last.size_bytes, last.comment, last.author)
    return tuple(steps)


def _with_sizes(image: Image, sizes: Iterator[int]) -> Iterator[tuple[History, int]]:
    for entry in image.config.history:
        yield entry, 0 if entry.empty_layer else next(sizes, 0)
    for size in sizes:
        yield History(), size
