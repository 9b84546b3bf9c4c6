"""The archives of ``docker save`` and ``docker load``: manifest.json, and configurations and layers that it names.

The format is described with the code that reads and writes it (moby, image/tarexport; containers/image,
docker/internal/tarfile).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.image.archive import decompressed
from runtime.image.archives import spooled
from runtime.image.compression import Compression, decompressor, sniff
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest, HashingReader
from runtime.image.document import Document
from runtime.image.errors import ArchiveError, CorruptBlob, InvalidDocument
from runtime.image.manifest import CONFIG, LAYER, LAYER_GZIP, LAYER_ZSTD, MANIFEST, Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.image.archive import LayerLimits
    from runtime.image.archives import ArchiveFile, ArchiveWriter
    from runtime.image.store import Image, ImageStore

MANIFEST_NAME = "manifest.json"
_MEDIA_TYPES = {None: LAYER, Compression.GZIP: LAYER_GZIP, Compression.ZSTD: LAYER_ZSTD}


@dataclass(frozen=True, slots=True)
class _Item:
    """One image of an archive: members by name."""

    config: str
    names: tuple[str, ...]
    layers: tuple[str, ...]


def load_docker_archive(store: ImageStore, archive: ArchiveFile) -> tuple[Image, ...]:
    """All images of the archive, under the names that it gives them; each is there completely before it has one."""
    images: list[Image] = []
    for item in _items(archive):
        descriptor = _load(store, archive, item)
        images += [store.tag(name, descriptor) for name in item.names] or [store.keep(descriptor)]
    return tuple(images)


def docker_names(archive: ArchiveFile) -> dict[Digest, tuple[str, ...]]:
    """The names of the images, by the digests of their configurations."""
    names: dict[Digest, tuple[str, ...]] = {}
    for item in _items(archive):
        digest = Digest.of(archive.read(item.config))
        names[digest] = (*names.get(digest, ()), *item.names)
    return names


def _items(archive: ArchiveFile) -> tuple[_Item, ...]:
    name = f"{archive.name}: {MANIFEST_NAME}"
    try:
        # A list at the top; documents are objects.
        value = json.loads(archive.read(MANIFEST_NAME))
        document = Document({"items": value}, name)
        return tuple(
            _Item(item.text("Config"), item.texts("RepoTags"), item.texts("Layers"))
            for item in document.children("items")
        )
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{name}: not JSON: {error}") from error
    except InvalidDocument as error:
        raise ArchiveError(str(error)) from error


def _load(store: ImageStore, archive: ArchiveFile, item: _Item) -> Descriptor:
    content = archive.read(item.config)
    config = Descriptor.of(CONFIG, content)
    parsed = ImageConfig.parse(content, f"{archive.name}: {item.config}")
    if len(parsed.diff_ids) != len(item.layers):
        problem = f"{len(parsed.diff_ids)} diff_ids for {len(item.layers)} layers"
        raise ArchiveError(f"{archive.name}: {item.config}: rootfs.diff_ids: {problem}")
    layers = [
        _load_layer(store, archive, member, diff_id)
        for member, diff_id in zip(item.layers, parsed.diff_ids, strict=True)
    ]
    _put(store, content, config)
    encoded = Manifest(config, tuple(layers)).encode()
    return _put(store, encoded, Descriptor.of(MANIFEST, encoded))


def _load_layer(store: ImageStore, archive: ArchiveFile, member: str, diff_id: Digest) -> Descriptor:
    """One layer, as it is in the archive; what is in it must have the digest that the configuration says."""
    with archive.open(member) as (stream, size):
        compression = sniff(stream.read(8))
    if compression is None:
        expected = Descriptor(LAYER, diff_id, size)
        if not store.layout.blobs.has(expected):
            with archive.open(member) as (stream, _):
                store.put_blob(stream, LAYER, expected)
        store.layout.blobs.touch(expected)
        return expected
    with archive.open(member) as (stream, _), decompressor(stream, compression) as plain:
        found = HashingReader(plain, diff_id.algorithm)
        while found.size_bytes <= store.limits.max_bytes and found.read(1 << 18):
            pass
    if found.digest != diff_id:
        raise CorruptBlob(f"{archive.name}: {member}: content has digest {found.digest}, not {diff_id}")
    with archive.open(member) as (stream, _):
        return store.put_blob(stream, _MEDIA_TYPES[compression])


def _put(store: ImageStore, content: bytes, descriptor: Descriptor) -> Descriptor:
    import io

    return store.put_blob(io.BytesIO(content), descriptor.media_type, descriptor)


def save_docker_archive(store: ImageStore, images: Sequence[Image], writer: ArchiveWriter, limits: LayerLimits) -> None:
    """Write the images with their names; layers are written uncompressed, which every version of docker reads."""
    items: dict[Digest, dict[str, Any]] = {}
    for image in images:
        config = image.manifest.config
        item = items.setdefault(
            config.digest,
            {
                "Config": f"{config.digest.encoded}.json",
                "RepoTags": [],
                "Layers": [_member(d) for d in image.config.diff_ids],
            },
        )
        if "@" not in image.reference and not image.reference.startswith("sha"):
            item["RepoTags"].append(image.reference)
        writer.document(str(item["Config"]), store.layout.blobs.read(config))
        for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True):
            _save_layer(store, writer, layer, diff_id, limits)
    writer.document(MANIFEST_NAME, json.dumps(list(items.values())).encode())


def _member(diff_id: Digest) -> str:
    return f"{diff_id.encoded}.tar"


def _save_layer(
    store: ImageStore, writer: ArchiveWriter, layer: Descriptor, diff_id: Digest, limits: LayerLimits
) -> None:
    name = f"layer {diff_id}"
    with store.layout.blobs.open(layer) as blob, decompressed(blob, layer.media_type, name) as plain:
        if layer.digest == diff_id:
            writer.add(_member(diff_id), blob, layer.size_bytes)
            blob.drain()
            return
        hashed = HashingReader(plain, diff_id.algorithm)
        # A header comes before its content, and says its size.
        with spooled(hashed, limits.max_bytes, name) as (file, size):
            if hashed.digest != diff_id:
                raise CorruptBlob(f"{name}: the archive in blob {layer.digest} has digest {hashed.digest}")
            writer.add(_member(diff_id), file, size)
