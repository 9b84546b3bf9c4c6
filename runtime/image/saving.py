"""Saving images as docker does from version 25 on: one archive that is an image layout and a docker-archive at once.

::

    blobs/sha256/…    layers, configurations and manifests as they are stored
    index.json, oci-layout    the image layout
    manifest.json, repositories    what every docker reads; its layers are the same blobs

A layer that old versions of docker cannot decompress (zstd) is there uncompressed once more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.image.archive import decompressed
from runtime.image.archives import ArchiveWriter, spooled
from runtime.image.descriptor import REF_NAME, Descriptor
from runtime.image.digest import HashingReader
from runtime.image.docker_archive import MANIFEST_NAME
from runtime.image.document import encode
from runtime.image.errors import CorruptBlob, InvalidReference
from runtime.image.layout import LAYOUT_VERSION
from runtime.image.manifest import LAYER_ZSTD, Index
from runtime.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.image.archives import Writable
    from runtime.image.digest import Digest
    from runtime.image.store import Image, ImageStore

# containerd's name of an image in a layout, in full; ref.name is the tag alone.
CONTAINERD_NAME = "io.containerd.image.name"
_DEFAULT_DOMAIN = "docker.io"


@dataclass(frozen=True, slots=True)
class _Saved:
    """An image that is saved, and under which names."""

    image: Image
    names: tuple[Reference, ...]


def save(store: ImageStore, references: Sequence[str], file: Writable) -> None:
    """Write the images into ``file``, which may be a pipe; a name without a tag stands for all tags that it has."""
    saved = _select(store, references)
    writer = ArchiveWriter(file)
    for one in saved:
        for blob in _blobs(store, one.image):
            with store.open_blob(blob) as content:
                writer.add(_member(blob.digest), content, blob.size_bytes)
                content.drain()
        _add_uncompressed(store, one.image, writer)
    writer.document("index.json", Index(tuple(_entries(store, saved))).encode())
    writer.document(MANIFEST_NAME, json.dumps([_item(one) for one in saved]).encode())
    writer.document("oci-layout", encode({"imageLayoutVersion": LAYOUT_VERSION}))
    if repositories := _repositories(saved):
        writer.document("repositories", json.dumps(repositories).encode())
    writer.close()


def _select(store: ImageStore, references: Sequence[str]) -> list[_Saved]:
    images: dict[str, Image] = {}
    names: dict[str, dict[Reference, None]] = {}
    for reference in references:
        for image, name in _meant(store, reference):
            images.setdefault(image.digest, image)
            names.setdefault(image.digest, {}).update({name: None} if name else {})
    return [_Saved(image, tuple(names[digest])) for digest, image in images.items()]


def _meant(store: ImageStore, reference: str) -> list[tuple[Image, Reference | None]]:
    if bare := _bare_name(reference):
        found = [(image, Reference.parse(image.reference)) for image in store.images() if "@" not in image.reference]
        tagged: list[tuple[Image, Reference | None]] = [(image, name) for image, name in found if name.name == bare]
        if tagged:
            return tagged
    image = store.resolve(reference)
    try:
        name = Reference.parse(reference)
    except InvalidReference:
        return [(image, None)]
    return [(image, name if str(name) == image.reference else None)]


def _bare_name(reference: str) -> str:
    """The name of a reference that has neither tag nor digest."""
    if "@" in reference or ":" in reference.rpartition("/")[2]:
        return ""
    try:
        return Reference.parse(reference).name
    except InvalidReference:
        return ""


def _blobs(store: ImageStore, image: Image) -> tuple[Descriptor, ...]:
    return (*image.manifest.layers, image.manifest.config, store.descriptor(image))


def _entries(store: ImageStore, saved: Sequence[_Saved]) -> Iterator[Descriptor]:
    for one in saved:
        entry = replace(store.descriptor(one.image), platform=one.image.config.platform)
        for name in one.names:
            yield replace(entry, annotations={CONTAINERD_NAME: _full_name(name), REF_NAME: name.tag})
        if not one.names:
            yield entry


def _item(one: _Saved) -> dict[str, Any]:
    manifest, diff_ids = one.image.manifest, one.image.config.diff_ids
    layers = [
        _plain_member(diff_id) if layer.media_type == LAYER_ZSTD else _member(layer.digest)
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
    ]
    tags = [str(name) for name in one.names] or None
    return {"Config": _member(manifest.config.digest), "RepoTags": tags, "Layers": layers}


def _repositories(saved: Sequence[_Saved]) -> dict[str, dict[str, str]]:
    """By name and tag the topmost layer, for versions of docker that know nothing else."""
    repositories: dict[str, dict[str, str]] = {}
    for one in saved:
        for name in one.names:
            diff_ids = one.image.config.diff_ids
            repositories.setdefault(name.name, {})[name.tag] = diff_ids[-1].encoded if diff_ids else ""
    return repositories


def _full_name(name: Reference) -> str:
    """With the registry and the path that docker adds to a short name."""
    first, slash, _ = name.name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return str(name)
    return f"{_DEFAULT_DOMAIN}/{'' if slash else 'library/'}{name}"


def _member(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def _plain_member(diff_id: Digest) -> str:
    return f"{diff_id.encoded}.tar"


def _add_uncompressed(store: ImageStore, image: Image, writer: ArchiveWriter) -> None:
    for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True):
        if layer.media_type != LAYER_ZSTD:
            continue
        name = f"layer {diff_id}"
        with store.open_blob(layer) as blob, decompressed(blob, layer.media_type, name) as plain:
            hashed = HashingReader(plain, diff_id.algorithm)
            with spooled(hashed, store.limits.max_bytes, name) as (file, size):
                if hashed.digest != diff_id:
                    raise CorruptBlob(f"{name}: the archive in blob {layer.digest} has digest {hashed.digest}")
                writer.add(_plain_member(diff_id), file, size)
