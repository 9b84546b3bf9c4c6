"""Collecting garbage: what no image refers to goes; what somebody may be about to refer to stays.

Mark and sweep, while nobody can change the list of images. A blob is young for a while after it was written or touched:
whoever brings an image in, or finds a blob there already, names it within that time, and who is slower is told by
`ImageStore.tag` that something is missing, and fetches it again. So no image on the list ever loses a blob.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.durable import store_errors
from runtime.image.errors import ImageError
from runtime.image.lock import locked
from runtime.image.manifest import Manifest, parse
from runtime.image.unpack import chain_ids

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runtime.image.descriptor import Descriptor
    from runtime.image.digest import Digest
    from runtime.image.store import Image, ImageStore

GRACE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed."""

    blobs: tuple[Path, ...]
    layers: tuple[Path, ...]
    downloads: tuple[Path, ...]
    freed_bytes: int


@dataclass(slots=True)
class _Marks:
    """What is referred to."""

    blobs: set[Digest]
    chains: set[Digest]


def collect(store: ImageStore, in_use: Iterable[Path] = (), grace_s: float = GRACE_S) -> Collected:
    """Remove blobs, extracted layers and unfinished downloads that nothing refers to and that are not young.

    ``in_use`` are directories of extracted layers that containers have mounted; they stay, though their image is gone.
    """
    if not store.layout.exists():
        return Collected((), (), (), 0)
    with store_errors("lock", store.layout.root), locked(store.layout.root):
        marks = _mark(store)
        _mark_compressed(store, marks, grace_s)
        blobs, freed_bytes = _sweep_blobs(store, marks, grace_s)
    layers = store.layers.sweep({*_layer_names(marks), *(path.parent.name for path in in_use)}, grace_s)
    return Collected(blobs, layers, tuple(store.downloads.sweep(grace_s)), freed_bytes)


def release(
    store: ImageStore, entries: Iterable[Descriptor], image: Image, in_use: Iterable[Path] = ()
) -> tuple[Digest, ...]:
    """Remove at once what entries that have left the list held alone; the layers, by chain id, that have gone.

    There is no grace: whoever found one of these blobs and has not named it yet is told that it is missing.
    """
    chains = chain_ids(image.config.diff_ids)
    with store_errors("lock", store.layout.root), locked(store.layout.root):
        try:
            marks = _mark(store)
        except ImageError:
            return ()  # what a damaged image refers to is not known
        blobs = {blob.digest for entry in entries for blob in _readable_references(store, entry)}
        for digest in blobs - marks.blobs:
            store.layout.blobs.remove(store.layout.blobs.path(digest))
    gone = tuple(chain_id for chain_id in chains if chain_id not in marks.chains)
    store.layers.remove(gone, in_use)
    return gone


def references(store: ImageStore, entry: Descriptor) -> tuple[list[Descriptor], list[Manifest]]:
    """All blobs that an entry of the list refers to, and the manifests among them.

    Of an index only what is there: usually that is one platform's.
    """
    blobs, manifests, waiting = [entry], [], [entry]
    seen = {entry.digest}
    while waiting:
        descriptor = waiting.pop()
        document = parse(store.layout.blobs.read(descriptor), descriptor.media_type, f"manifest {descriptor.digest}")
        if isinstance(document, Manifest):
            manifests.append(document)
            blobs += [document.config, *document.layers]
            continue
        for child in document.manifests:
            if child.digest not in seen and store.layout.blobs.has(child):
                seen.add(child.digest)
                waiting.append(child)
                blobs.append(child)
    return blobs, manifests


def _readable_references(store: ImageStore, entry: Descriptor) -> list[Descriptor]:
    """An image that is damaged can be removed all the same; what is left of it is collected some time."""
    try:
        return references(store, entry)[0]
    except ImageError:
        return [entry]


def _mark(store: ImageStore) -> _Marks:
    """An entry that cannot be read is an error: to collect what it may refer to would be worse."""
    marks = _Marks(set(), set())
    for entry in store.layout.index().manifests:
        blobs, manifests = references(store, entry)
        marks.blobs |= {blob.digest for blob in blobs}
        for manifest in manifests:
            with suppress(ImageError):  # what cannot be unpacked has no layers on the disk
                marks.chains |= set(chain_ids(store.layout.config(manifest).diff_ids))
    return marks


def _mark_compressed(store: ImageStore, marks: _Marks, grace_s: float) -> None:
    """A compressed form stays as long as what it is made of."""
    for source, form, path in store.compressed.forms():
        if source in marks.blobs:
            marks.blobs.add(form.digest)
        elif time.time() - path.stat().st_mtime >= grace_s:
            path.unlink(missing_ok=True)


def _sweep_blobs(store: ImageStore, marks: _Marks, grace_s: float) -> tuple[tuple[Path, ...], int]:
    marked = {store.layout.blobs.path(digest) for digest in marks.blobs}
    removed, freed_bytes = [], 0
    for path, _ in store.layout.blobs.all():
        if path not in marked and (size := store.layout.blobs.remove(path, grace_s)):
            removed.append(path)
            freed_bytes += size
    return tuple(removed), freed_bytes


def _layer_names(marks: _Marks) -> set[str]:
    return {f"{chain.algorithm}-{chain.encoded}" for chain in marks.chains}
