"""Bringing images into the store from an image layout elsewhere: ``oci:DIR[:NAME]``, as skopeo writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.descriptor import Descriptor, Platform
from runtime.image.errors import ImageNotFound, InvalidReference
from runtime.image.layout import ImageLayout

if TYPE_CHECKING:
    from runtime.image.store import Image, ImageStore

SCHEME = "oci:"


def import_layout(store: ImageStore, source: str, reference: str | None = None) -> Image:
    """Copy the image ``source`` (``oci:DIR[:NAME]``) into the store, verifying each blob, and name it.

    Without NAME the layout must hold one image only. It is called ``reference``, or else by its name in the
    layout (a bare tag is put behind the directory's name). Of an index the manifest for this host is taken.
    """
    directory, name = _parse(source)
    layout = ImageLayout(directory)
    entry = _select(layout, name)
    descriptor = layout.manifest_descriptor(entry, Platform.host())
    manifest = layout.manifest(descriptor)
    layout.config(manifest)
    for blob in (*manifest.layers, manifest.config, descriptor):
        with layout.blobs.open(blob) as content:
            store.put_blob(content, blob.media_type, blob)
    return store.tag(reference or _reference(directory, entry.ref_name), descriptor)


def _parse(source: str) -> tuple[Path, str]:
    if not source.startswith(SCHEME):
        raise InvalidReference(f"image source {source!r}: expected {SCHEME}DIR[:NAME]")
    path = source.removeprefix(SCHEME)
    if Path(path).is_dir():  # a directory's name may hold a colon
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


def _reference(directory: Path, ref_name: str) -> str:
    if ":" in ref_name or "/" in ref_name:
        return ref_name
    name = directory.resolve().name.lower()
    return f"{name}:{ref_name}" if ref_name else name
