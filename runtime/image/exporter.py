"""Writing images of the store into files that others read: docker-archive, oci-archive and image layouts."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.image.archives import ArchiveWriter
from runtime.image.descriptor import REF_NAME, Descriptor
from runtime.image.docker_archive import save_docker_archive
from runtime.image.document import encode
from runtime.image.durable import store_errors, sync_directory
from runtime.image.layout import LAYOUT_VERSION, ImageLayout
from runtime.image.manifest import Index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runtime.image.store import Image, ImageStore


def save_docker(store: ImageStore, references: Sequence[str], path: Path) -> None:
    """Write the images into a file for ``docker load``; the file is there completely, or not at all."""
    images = [store.resolve(reference) for reference in references]
    with _archive(path) as writer:
        save_docker_archive(store, images, writer, store.limits)


def save_oci(store: ImageStore, references: Sequence[str], path: Path) -> None:
    """Write the images into an oci-archive: an image layout in a tar."""
    images = [store.resolve(reference) for reference in references]
    entries = tuple(_entry(store, image) for image in images)
    with _archive(path) as writer:
        writer.document("oci-layout", encode({"imageLayoutVersion": LAYOUT_VERSION}))
        writer.document("index.json", Index(entries).encode())
        for image in images:
            for blob in _blobs(store, image):
                with store.layout.blobs.open(blob) as content:
                    writer.add(f"blobs/{blob.digest.algorithm}/{blob.digest.encoded}", content, blob.size_bytes)
                    content.drain()


def export_layout(store: ImageStore, references: Sequence[str], directory: Path) -> None:
    """Put the images into the image layout at ``directory``, which is made unless it is there."""
    layout = ImageLayout(directory)
    layout.create()
    for image in (store.resolve(reference) for reference in references):
        for blob in _blobs(store, image):
            with store.layout.blobs.open(blob) as content:
                layout.blobs.put(content, blob.media_type, blob)
        entry = _entry(store, image)

        def listed(index: Index, entry: Descriptor = entry) -> Index:
            kept = tuple(other for other in index.manifests if not entry.ref_name or other.ref_name != entry.ref_name)
            return replace(index, manifests=(*kept, entry))

        layout.update(listed)


def _blobs(store: ImageStore, image: Image) -> tuple[Descriptor, ...]:
    return (*image.manifest.layers, image.manifest.config, store.descriptor(image))


def _entry(store: ImageStore, image: Image) -> Descriptor:
    descriptor = replace(store.descriptor(image), platform=image.config.platform)
    named = image.reference != image.digest
    return replace(descriptor, annotations={REF_NAME: image.reference}) if named else descriptor


@contextmanager
def _archive(path: Path) -> Iterator[ArchiveWriter]:
    """An archive that gets its name when all of it is written out."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with store_errors("write", path):
            with partial.open("xb") as file:
                writer = ArchiveWriter(file)
                yield writer
                writer.close()
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            sync_directory(path.parent)
    finally:
        partial.unlink(missing_ok=True)
