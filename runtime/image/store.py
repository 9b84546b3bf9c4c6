"""The image store: images by reference or digest, and their layers as directories.

::

    ROOT/images/    an OCI image layout: oci-layout, index.json, blobs/sha256/…
    ROOT/layers/    sha256-CHAINID/diff: each layer extracted once, on top of those below it
    ROOT/downloads/     blobs on their way in (`runtime.image.downloads`)
    ROOT/compressed/    which blob is which layer, compressed for others (`runtime.image.compression`)

Several processes may use one store. An image's name is in index.json, in the annotation
org.opencontainers.image.ref.name, as ``name:tag``; so others read the store as ``oci:ROOT/images:name:tag``.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.image.archive import DEFAULT_LIMITS, LayerLimits
from runtime.image.compression import CompressedLayers
from runtime.image.descriptor import REF_NAME, Descriptor, Platform
from runtime.image.digest import Digest
from runtime.image.downloads import Downloads
from runtime.image.errors import AmbiguousReference, BlobNotFound, ImageError, ImageNotFound, InvalidReference
from runtime.image.layout import ImageLayout
from runtime.image.manifest import INDEX_TYPES, Index
from runtime.image.reference import Reference
from runtime.image.unpack import LayerCache

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from runtime.image.config import ImageConfig
    from runtime.image.digest import Readable, VerifyingReader
    from runtime.image.manifest import Manifest

# As many digits as tell it from a short name made of the letters a to f.
_DIGEST_PREFIX = re.compile(r"(?:sha(?:256|512):)?[0-9a-f]{4,128}")


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the store. ``digest`` is its manifest's: what the image *is*, whatever it is called."""

    reference: str
    digest: str
    manifest: Manifest
    config: ImageConfig


class ImageStore:
    """The images below one directory; reading changes nothing and does not need the directory to exist."""

    def __init__(self, root: Path, limits: LayerLimits = DEFAULT_LIMITS) -> None:
        self.root = root
        self.limits = limits
        self.layout = ImageLayout(root / "images")
        self.downloads = Downloads(root / "downloads", self.layout.blobs)
        self.compressed = CompressedLayers(root / "compressed", self.layout.blobs)
        self.layers = LayerCache(root / "layers", self.layout.blobs, limits)
        self._platform = Platform.host()

    def resolve(self, reference: str) -> Image:
        """The image called ``reference``: name[:tag][@digest], a digest, or a prefix of one that is unique.

        A name comes before a digest of the same letters; where a digest is given, it decides. Raises
        `ImageNotFound`, `AmbiguousReference`, `InvalidReference`, and `StoreError` for a damaged store.
        """
        entry = self._find(reference)
        return self._load(entry, entry.ref_name)

    def images(self) -> tuple[Image, ...]:
        """All images, by reference; those without a name come first, under their digest."""
        entries = sorted(self._index().manifests, key=lambda entry: (entry.ref_name, str(entry.digest)))
        return tuple(self._load(entry, entry.ref_name) for entry in entries)

    def unpack(self, image: Image) -> tuple[Path, ...]:
        """The image's layers as directories, bottom layer first; extracted once, then reused.

        Layers that one further up hides entirely are left out. Needs root, to keep the files' owners.
        """
        return self.unpack_layers(image.manifest, image.config)

    def unpack_layers(self, manifest: Manifest, config: ImageConfig) -> tuple[Path, ...]:
        """What `unpack` does, for an image that is not on the list (yet)."""
        return self.layers.unpack(manifest, config)

    def verify(self, image: Image) -> None:
        """Read every blob of the image through; raises `BlobNotFound` or `CorruptBlob`."""
        for descriptor in (self.descriptor(image), image.manifest.config, *image.manifest.layers):
            self.layout.blobs.verify(descriptor)

    def descriptor(self, image: Image) -> Descriptor:
        """The descriptor of the image's manifest."""
        digest = Digest.parse(image.digest)
        path = self.layout.blobs.path(digest)
        try:
            return Descriptor(image.manifest.media_type, digest, path.stat().st_size)
        except FileNotFoundError:
            raise BlobNotFound(f"read blob {path}: the manifest of {image.reference} is missing") from None

    def put_blob(self, stream: Readable, media_type: str, expected: Descriptor | None = None) -> Descriptor:
        """Store content; with ``expected``, only if digest and size are the promised ones (`CorruptBlob`)."""
        self.layout.create()
        return self.layout.blobs.put(stream, media_type, expected)

    def open_blob(self, descriptor: Descriptor) -> AbstractContextManager[VerifyingReader]:
        """The content, verified while it is read; raises `BlobNotFound` or `CorruptBlob`."""
        return self.layout.blobs.open(descriptor)

    def tag(self, reference: str, target: Descriptor | Image) -> Image:
        """Call the image ``reference`` (name[:tag]); what was called so stays, under its digest only."""
        name = _tag_name(reference)
        entry = target if isinstance(target, Descriptor) else self.descriptor(target)
        return self._list(replace(entry, annotations={**entry.annotations, REF_NAME: name}))

    def keep(self, target: Descriptor) -> Image:
        """List the image without a name, unless it has one: it answers to its digest, and is not collected."""
        return self._list(replace(target, annotations={k: v for k, v in target.annotations.items() if k != REF_NAME}))

    def untag(self, reference: str) -> None:
        """Forget the name; the last one of an image takes the image off the list. Raises `ImageNotFound`."""
        name = _tag_name(reference)

        def without(index: Index) -> Index:
            kept = tuple(entry for entry in index.manifests if entry.ref_name != name)
            if len(kept) == len(index.manifests):
                raise self._not_found(reference, index)
            return replace(index, manifests=kept)

        if not self.layout.exists():
            raise self._not_found(reference, Index(()))
        self.layout.update(without)

    def names(self, image: Image) -> tuple[str, ...]:
        """All names of the image, in the order of the list."""
        return tuple(entry.ref_name for entry in self._entries(self._index(), image) if entry.ref_name)

    def forget(self, image: Image) -> tuple[Descriptor, ...]:
        """Take the image off the list, with all its names; the entries that were there."""
        gone: list[Descriptor] = []

        def without(index: Index) -> Index:
            gone[:] = self._entries(index, image)
            return replace(index, manifests=tuple(entry for entry in index.manifests if entry not in gone))

        if self.layout.exists():
            self.layout.update(without)
        return tuple(gone)

    def _entries(self, index: Index, image: Image) -> list[Descriptor]:
        """The image's entries; one that cannot be read is no image's."""
        found: list[Descriptor] = []
        for entry in index.manifests:
            with suppress(ImageError):
                if any(str(descriptor.digest) == image.digest for descriptor in self._descriptors(entry)):
                    found.append(entry)
        return found

    def _list(self, entry: Descriptor) -> Image:
        """Put the entry on the list. What is on it is there completely, whatever others remove meanwhile."""
        image = self._load(entry, entry.ref_name)

        def listed(index: Index) -> Index:
            for layer in image.manifest.layers:
                if not self.layout.blobs.has(layer):
                    path = self.layout.blobs.path(layer.digest)
                    raise BlobNotFound(f"read blob {path}: missing, a layer of {image.reference}")
            self._load(entry, entry.ref_name)
            return _named(index, entry)

        if entry not in self._index().manifests:
            self.layout.update(listed)
        return image

    def _index(self) -> Index:
        return self.layout.index() if self.layout.exists() else Index(())

    def _load(self, entry: Descriptor, reference: str) -> Image:
        descriptor = self.layout.manifest_descriptor(entry, self._platform)
        manifest = self.layout.manifest(descriptor)
        digest = str(descriptor.digest)
        return Image(reference or digest, digest, manifest, self.layout.config(manifest))

    def _find(self, reference: str) -> Descriptor:
        index = self._index()
        if _DIGEST_PREFIX.fullmatch(reference):
            # A name may be made of such letters too: try it as one first.
            return self._named(index, reference) or self._by_digest(index, reference, reference)
        parsed = Reference.parse(reference)
        if parsed.digest:
            return self._by_digest(index, str(parsed.digest), reference)
        entry = self._named(index, reference)
        if entry is None:
            raise self._not_found(reference, index)
        return entry

    @staticmethod
    def _named(index: Index, reference: str) -> Descriptor | None:
        parsed = Reference.parse(reference)
        names = (str(parsed), reference, str(parsed.familiar))
        return next((entry for entry in index.manifests if entry.ref_name in names), None)

    def _by_digest(self, index: Index, prefix: str, reference: str) -> Descriptor:
        found: dict[Digest, Descriptor] = {}
        for entry in index.manifests:
            for descriptor in self._descriptors(entry):
                if str(descriptor.digest).startswith(prefix) or descriptor.digest.encoded.startswith(prefix):
                    found.setdefault(descriptor.digest, entry)
        entries = set(found.values())
        if not entries:
            raise self._not_found(reference, index)
        if len({entry.digest for entry in entries}) > 1:
            digests = ", ".join(sorted(map(str, found)))
            raise AmbiguousReference(f"image {reference!r}: several digests begin so: {digests}")
        return next(iter(found.values()))

    def _descriptors(self, entry: Descriptor) -> tuple[Descriptor, ...]:
        """The entry, and the manifest it stands for if it is an index."""
        if entry.media_type not in INDEX_TYPES:
            return (entry,)
        return entry, self.layout.manifest_descriptor(entry, self._platform)

    def _not_found(self, reference: str, index: Index) -> ImageNotFound:
        names = ", ".join(sorted(entry.ref_name for entry in index.manifests if entry.ref_name)) or "none"
        return ImageNotFound(f"image {reference!r} not found in {self.layout.root}; images there: {names}")


def _tag_name(reference: str) -> str:
    parsed = Reference.parse(reference)
    if parsed.digest:
        raise InvalidReference(f"reference {reference!r}: a name for an image cannot hold a digest")
    return str(parsed.familiar)


def _named(index: Index, entry: Descriptor) -> Index:
    """The index with ``entry``: alone under its name, and not beside a nameless entry of the same digest."""
    if not entry.ref_name and any(other.digest == entry.digest for other in index.manifests):
        return index
    others: list[Descriptor] = []
    for other in index.manifests:
        unnamed = replace(other, annotations={k: v for k, v in other.annotations.items() if k != REF_NAME})
        kept = unnamed if other.ref_name and other.ref_name == entry.ref_name else other
        if kept.ref_name or kept.digest != entry.digest:
            others.append(kept)
    return replace(index, manifests=(*_without_shadows(others), entry))


def _without_shadows(entries: list[Descriptor]) -> list[Descriptor]:
    named = {entry.digest for entry in entries if entry.ref_name}
    return [entry for entry in entries if entry.ref_name or entry.digest not in named]
