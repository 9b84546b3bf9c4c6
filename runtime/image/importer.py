"""Bringing images into the store from files: ``oci:DIR[:NAME]``, ``oci-archive:FILE[:NAME]``, ``docker-archive:FILE``.

An image layout is what skopeo and umoci write, in a directory or in a tar; a docker-archive is what docker save writes.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.archives import open_archive, open_archive_stream
from runtime.image.blobs import Blobs
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import VerifyingReader
from runtime.image.docker_archive import MANIFEST_NAME, docker_names, load_docker_archive
from runtime.image.errors import (
    ArchiveError,
    BlobNotFound,
    CorruptBlob,
    ImageNotFound,
    InvalidReference,
)
from runtime.image.layout import ImageLayout
from runtime.image.saving import CONTAINERD_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from runtime.image.archives import ArchiveFile
    from runtime.image.store import Image, ImageStore

SCHEME = "oci:"
ARCHIVE_SCHEME = "oci-archive:"


def import_layout(store: ImageStore, source: str, reference: str | None = None) -> Image:
    """Copy one image (``oci:DIR[:NAME]`` or ``oci-archive:FILE[:NAME]``) into the store, verifying it, and name it.

    Without NAME there must be one image only. It is called ``reference``, or else by its name in the layout (a bare
    tag is put behind the directory's name). Of an index the manifest for this host is taken.
    """
    if source.startswith(ARCHIVE_SCHEME):
        path, name = _parse(source, ARCHIVE_SCHEME)
        with open_archive(path, store.limits.max_bytes) as archive:
            return _import_one(store, _ArchiveLayout(archive), name, reference)
    directory, name = _parse(source, SCHEME)
    return _import_one(store, ImageLayout(directory), name, reference)


def load_archive(store: ImageStore, path: Path) -> tuple[Image, ...]:
    """Bring all images of a file into the store, as ``docker load`` does; it is seen what kind of file it is."""
    with open_archive(path, store.limits.max_bytes) as archive:
        return _load(store, archive)


def load_stream(store: ImageStore, file: BinaryIO, name: str = "archive") -> tuple[Image, ...]:
    """As `load_archive`, from an open file or a pipe."""
    with open_archive_stream(file, name, store.limits.max_bytes) as archive:
        return _load(store, archive)


def _load(store: ImageStore, archive: ArchiveFile) -> tuple[Image, ...]:
    if "oci-layout" not in archive:
        if MANIFEST_NAME not in archive:
            problem = "neither manifest.json nor oci-layout is in it: no archive of images"
            raise ArchiveError(f"{archive.name}: {problem}")
        return load_docker_archive(store, archive)
    layout = _ArchiveLayout(archive)
    entries = layout.index().manifests
    if MANIFEST_NAME not in archive:
        brought = [(_bring(store, layout, entry), _names(layout.root, entry)) for entry in entries]
        return tuple(image for descriptor, known in brought for image in _list(store, descriptor, known))
    # docker from 25 on writes both at once. The layout keeps the images' digests, manifest.json has the whole names.
    names = docker_names(archive)
    manifests = {layout.manifest(found).config.digest: entry for entry in entries if (found := _found(layout, entry))}
    if not names.keys() <= manifests.keys():
        return load_docker_archive(store, archive)
    brought = [(_bring(store, layout, manifests[digest]), tags) for digest, tags in names.items()]
    return tuple(image for descriptor, tags in brought for image in _list(store, descriptor, tags))


def _found(layout: ImageLayout, entry: Descriptor) -> Descriptor | None:
    """What an entry stands for on this host, if it is there: docker saves what it has of an index."""
    try:
        return layout.manifest_descriptor(entry, Platform.host())
    except (ImageNotFound, BlobNotFound):
        return None


def _import_one(store: ImageStore, layout: ImageLayout, name: str, reference: str | None) -> Image:
    entry = _select(layout, name)
    descriptor = _bring(store, layout, entry)
    return store.tag(reference or _name(entry) or _name_of_place(layout.root, entry), descriptor)


def _bring(store: ImageStore, layout: ImageLayout, entry: Descriptor) -> Descriptor:
    """Copy the image's blobs into the store, but for those that are there."""
    descriptor = layout.manifest_descriptor(entry, Platform.host())
    manifest = layout.manifest(descriptor)
    layout.config(manifest)
    for blob in (*manifest.layers, manifest.config, descriptor):
        store.layout.blobs.touch(blob)
        if not store.layout.blobs.has(blob):
            with layout.blobs.open(blob) as content:
                store.put_blob(content, blob.media_type, blob)
    return descriptor


def _list(store: ImageStore, descriptor: Descriptor, names: Sequence[str]) -> tuple[Image, ...]:
    return tuple(store.tag(name, descriptor) for name in names) or (store.keep(descriptor),)


def _parse(source: str, scheme: str) -> tuple[Path, str]:
    if not source.startswith(scheme):
        raise InvalidReference(f"image source {source!r}: expected {SCHEME}DIR[:NAME]")
    path = source.removeprefix(scheme)
    if Path(path).exists():  # its name may hold a colon
        return Path(path), ""
    directory, _, name = path.partition(":")
    return Path(directory), name


def _select(layout: ImageLayout, name: str) -> Descriptor:
    entries = layout.index().manifests
    found = [entry for entry in entries if entry.ref_name == name] if name else list(entries)
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(entry.ref_name or str(entry.digest) for entry in entries)) or "none"
    problem = f"{len(found)} images match, expected one" if found else f"no image {name!r}"
    raise ImageNotFound(f"{SCHEME}{layout.root}: {problem}; images there: {names}")


def _name(entry: Descriptor) -> str:
    """The name that an entry of a layout states whole; empty if it states none, or a tag alone."""
    name = entry.annotations.get(CONTAINERD_NAME) or entry.ref_name
    return name if ":" in name or "/" in name else ""


def _names(place: Path, entry: Descriptor) -> Sequence[str]:
    """What an image of an archive is called: nothing, if its layout says nothing."""
    name = _name(entry)
    return (name,) if name else (_name_of_place(place, entry),) if entry.ref_name else ()


def _name_of_place(place: Path, entry: Descriptor) -> str:
    name = place.resolve().name.lower().removesuffix(".tar")
    return f"{name}:{entry.ref_name}" if entry.ref_name else name


class _ArchiveLayout(ImageLayout):
    """An image layout in an archive, to be read only."""

    def __init__(self, archive: ArchiveFile) -> None:
        super().__init__(Path(archive.name))
        self._archive = archive
        self.blobs = _ArchiveBlobs(archive)

    def _file(self, name: str) -> bytes:
        return self._archive.read(name)


class _ArchiveBlobs(Blobs):
    """The blobs of a layout in an archive, to be read only."""

    def __init__(self, archive: ArchiveFile) -> None:
        super().__init__(Path(archive.name) / "blobs")
        self._archive = archive

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[VerifyingReader]:
        """The content, verified while it is read; raises `BlobNotFound` or `CorruptBlob`."""
        member = f"blobs/{descriptor.digest.algorithm}/{descriptor.digest.encoded}"
        name = f"{self._archive.name}: {member}"
        if member not in self._archive:
            raise BlobNotFound(f"read {name}: missing, expected {descriptor.media_type}")
        with self._archive.open(member) as (stream, size):
            if size != descriptor.size_bytes:
                raise CorruptBlob(f"read {name}: {size} bytes instead of {descriptor.size_bytes}")
            yield VerifyingReader(stream, descriptor.digest, size, name)
