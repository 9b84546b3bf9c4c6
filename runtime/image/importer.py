"""Bringing images into the store from files: ``oci:DIR[:NAME]``, ``oci-archive:FILE[:NAME]``, ``docker-archive:FILE``.

An image layout is what skopeo and umoci write, in a directory or in a tar; a docker-archive is what docker save writes.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.archives import open_archive
from runtime.image.blobs import Blobs
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import VerifyingReader
from runtime.image.docker_archive import MANIFEST_NAME, load_docker_archive
from runtime.image.errors import (
    ArchiveError,
    BlobNotFound,
    CorruptBlob,
    ImageNotFound,
    InvalidReference,
)
from runtime.image.layout import ImageLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.archives import ArchiveFile
    from runtime.image.store import Image, ImageStore

SCHEME = "oci:"
ARCHIVE_SCHEME = "oci-archive:"
# containerd's name of an image in a layout; its annotation ref.name is the tag alone.
_CONTAINERD_NAME = "io.containerd.image.name"


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
        # docker from 25 on writes both at once; manifest.json has the whole names.
        if MANIFEST_NAME in archive:
            return load_docker_archive(store, archive)
        if "oci-layout" in archive:
            layout = _ArchiveLayout(archive)
            return tuple(_import(store, layout, entry, None) for entry in layout.index().manifests)
        raise ArchiveError(f"{path}: neither manifest.json nor oci-layout is in it: no archive of images")


def _import_one(store: ImageStore, layout: ImageLayout, name: str, reference: str | None) -> Image:
    return _import(store, layout, _select(layout, name), reference)


def _import(store: ImageStore, layout: ImageLayout, entry: Descriptor, reference: str | None) -> Image:
    descriptor = layout.manifest_descriptor(entry, Platform.host())
    manifest = layout.manifest(descriptor)
    layout.config(manifest)
    for blob in (*manifest.layers, manifest.config, descriptor):
        with layout.blobs.open(blob) as content:
            store.put_blob(content, blob.media_type, blob)
    return store.tag(reference or _reference(layout.root, entry), descriptor)


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


def _reference(place: Path, entry: Descriptor) -> str:
    ref_name = entry.annotations.get(_CONTAINERD_NAME) or entry.ref_name
    if ":" in ref_name or "/" in ref_name:
        return ref_name
    name = place.resolve().name.lower().removesuffix(".tar")
    return f"{name}:{ref_name}" if ref_name else name


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
