"""Checking a whole store: every image's blobs read through, what is damaged or missing named, all of it in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.collect import references
from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest
from runtime.image.durable import store_errors
from runtime.image.errors import CorruptBlob, ImageError
from runtime.image.lock import locked
from runtime.image.unpack import chain_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.manifest import Manifest
    from runtime.image.store import ImageStore


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. A store without problems holds every image on its list completely, byte for byte."""

    problems: tuple[str, ...]
    # Blobs whose content is not what their name says.
    damaged: tuple[Digest, ...]
    blobs: int
    unreferenced: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check(store: ImageStore) -> Report:
    """Verify the list of images, and every blob whether an image refers to it or not."""
    if not store.layout.exists():
        return Report((), (), 0, 0)
    try:
        entries = store.layout.index().manifests
    except ImageError as error:
        return Report((str(error),), (), 0, 0)
    problems: dict[str, None] = {}
    wanted: dict[Digest, Descriptor] = {}
    for entry in entries:
        problems |= dict.fromkeys(_check_entry(store, entry, wanted))
    damaged, count, unreferenced = [], 0, 0
    for path, status in store.layout.blobs.all():
        digest = Digest(path.parent.name, path.name)
        count, unreferenced = count + 1, unreferenced + (digest not in wanted)
        try:
            store.layout.blobs.verify(wanted.get(digest) or Descriptor("", digest, status.st_size))
        except CorruptBlob as error:
            damaged.append(digest)
            problems[str(error)] = None
    return Report(tuple(problems), tuple(damaged), count, unreferenced)


def remove_damaged(store: ImageStore, report: Report) -> None:
    """Take away what is damaged, so that a pull or load brings it anew; images that need it are named by `check`."""
    with store_errors("lock", store.layout.root), locked(store.layout.root):
        for digest in report.damaged:
            store.layout.blobs.remove(store.layout.blobs.path(digest))


def _check_entry(store: ImageStore, entry: Descriptor, wanted: dict[Digest, Descriptor]) -> Iterator[str]:
    name = entry.ref_name or str(entry.digest)
    try:
        blobs, manifests = references(store, entry)
    except ImageError as error:
        yield f"image {name}: {error}"
        return
    for blob in blobs:
        wanted.setdefault(blob.digest, blob)
        if not store.layout.blobs.path(blob.digest).exists():
            yield f"image {name}: blob {blob.digest} is missing, expected {blob.media_type}"
    for manifest in manifests:
        yield from _check_config(store, manifest, name)


def _check_config(store: ImageStore, manifest: Manifest, name: str) -> Iterator[str]:
    try:
        chain_ids(store.layout.config(manifest).diff_ids)
    except ImageError as error:
        yield f"image {name}: {error}"
