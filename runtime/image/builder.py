"""Building images reproducibly: the same entries and the same configuration give the same digest, everywhere.

Layers are stored uncompressed: what gzip makes of them depends on the zlib at hand.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.image.config import History, ImageConfig
from runtime.image.descriptor import Descriptor
from runtime.image.errors import LayerError, StoreError
from runtime.image.manifest import CONFIG, LAYER, MANIFEST, Manifest
from runtime.image.tree import tree_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.image.store import Image, ImageStore


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def header(self) -> tarfile.TarInfo:
        """Its header in the archive."""
        header = _header(self.path, tarfile.REGTYPE, self.mode, (self.uid, self.gid))
        header.size = len(self.content)
        return header


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory; what is in it are entries of their own."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0

    def header(self) -> tarfile.TarInfo:
        """Its header in the archive."""
        return _header(self.path, tarfile.DIRTYPE, self.mode, (self.uid, self.gid))


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link."""

    path: str
    target: str
    uid: int = 0
    gid: int = 0

    def header(self) -> tarfile.TarInfo:
        """Its header in the archive."""
        header = _header(self.path, tarfile.SYMTYPE, 0o777, (self.uid, self.gid))
        header.linkname = self.target
        return header


Entry = File | Directory | Symlink


@dataclass(frozen=True, slots=True)
class LayerRecipe:
    """The entries of one layer, and the words for the image's history."""

    entries: tuple[Entry, ...]
    created_by: str


def layer_tar(entries: Sequence[Entry]) -> bytes:
    """The archive of a layer; raises `LayerError` for entries that are no tree.

    Sorted, without times and names of owners: neither the order of the entries matters, nor the time.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for entry in _tree_order(entries):
            content = io.BytesIO(entry.content) if isinstance(entry, File) else None
            tar.addfile(entry.header(), content)
    return archive.getvalue()


def build_image(store: ImageStore, reference: str, layers: Sequence[LayerRecipe], config: ImageConfig) -> Image:
    """Make an image of the layers, bottom first, and call it ``reference``; what is stored already stays.

    ``config`` says what to run; diff_ids and history are put in here.
    """
    archives = [layer_tar(layer.entries) for layer in layers]
    descriptors = tuple(_ensure_blob(store, archive, LAYER) for archive in archives)
    config = replace(
        config,
        diff_ids=tuple(descriptor.digest for descriptor in descriptors),
        history=tuple(History(created_by=layer.created_by) for layer in layers),
    )
    manifest = Manifest(_ensure_blob(store, config.encode(), CONFIG), descriptors)
    return store.tag(reference, _ensure_blob(store, manifest.encode(), MANIFEST))


def extend_image(
    store: ImageStore, base: Image, reference: str, layers: Sequence[LayerRecipe], **execution: Any
) -> Image:
    """Make an image of ``base`` and further layers, whose configuration differs in ``execution`` (`ImageConfig`)."""
    added = tuple(_ensure_blob(store, layer_tar(layer.entries), LAYER) for layer in layers)
    config = replace(
        base.config,
        **execution,
        diff_ids=(*base.config.diff_ids, *(descriptor.digest for descriptor in added)),
        history=(*base.config.history, *(History(created_by=layer.created_by) for layer in layers)),
    )
    manifest = Manifest(_ensure_blob(store, config.encode(), CONFIG), (*base.manifest.layers, *added))
    return store.tag(reference, _ensure_blob(store, manifest.encode(), MANIFEST))


def _ensure_blob(store: ImageStore, content: bytes, media_type: str) -> Descriptor:
    descriptor = Descriptor.of(media_type, content)
    try:
        store.layout.blobs.verify(descriptor)
    except StoreError:  # missing or damaged
        store.put_blob(io.BytesIO(content), media_type, descriptor)
    return descriptor


def _header(path: str, kind: bytes, mode: int, owner: tuple[int, int]) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.type, header.mode, header.mtime = kind, mode, 0
    header.uid, header.gid = owner
    return header


def _tree_order(entries: Sequence[Entry]) -> list[Entry]:
    """Sorted, parents before children; each path once, and in a directory that is an entry too."""
    ordered: dict[tuple[bytes, ...], Entry] = {}
    for entry in sorted(entries, key=lambda entry: tree_path(entry.path)):
        path = tree_path(entry.path)
        if not path or path in ordered:
            raise LayerError(f"build layer: entry {entry.path!r}: {'twice' if path else 'the path is empty'}")
        if len(path) > 1 and not isinstance(ordered.get(path[:-1]), Directory):
            raise LayerError(f"build layer: entry {entry.path!r}: its directory is no entry of the layer")
        ordered[path] = entry
    return list(ordered.values())
