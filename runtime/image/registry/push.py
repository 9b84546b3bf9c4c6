"""Pushing an image: every blob that is missing there, several at once, and the manifest last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.collect import references
from runtime.image.descriptor import Descriptor
from runtime.image.errors import ImageError
from runtime.image.reference import Reference
from runtime.image.registry.endpoint import Repository
from runtime.image.registry.parallel import in_parallel
from runtime.image.registry.progress import Reporter, Status
from runtime.image.registry.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.compression import Compression
    from runtime.image.digest import Digest
    from runtime.image.manifest import Manifest
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.parallel import Stopped
    from runtime.image.registry.progress import Event
    from runtime.image.store import Image, ImageStore


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where an image is now, and by which digest."""

    repository: Repository
    tag: str
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Under what name in a registry (by default that in the store), and whether layers are to be compressed.

    They go as they are stored, so that the image keeps its digest. With ``compression`` those that are not compressed
    are, once, and the image has another digest there.
    """

    destination: str = ""
    compression: Compression | None = None


def push(
    store: ImageStore,
    client: RegistryClient,
    reference: str,
    options: PushOptions = PushOptions(),
    progress: Callable[[Event], None] | None = None,
) -> Pushed:
    """Put the store's image ``reference`` into a registry. Raises `RegistryError` and `StoreError` and their kinds."""
    image = store.resolve(reference)
    target = Reference.parse(options.destination or reference)
    repository = Repository.of(target)
    report = Reporter(progress)
    manifest, content = _prepared(store, image, options.compression, report)
    for layer in dict.fromkeys(reversed(manifest.layers)):
        report(layer, Status.PLANNED)
    _push_blobs(store, Upload(client, repository, store.layout.blobs.open_at, report), manifest)
    descriptor = Descriptor.of(manifest.media_type, content)
    client.put_manifest(repository, content, manifest.media_type, target.tag or str(descriptor.digest))
    return Pushed(repository, target.tag, descriptor)


def _prepared(
    store: ImageStore, image: Image, compression: Compression | None, report: Reporter
) -> tuple[Manifest, bytes]:
    """The manifest to push and its bytes: the stored ones, unless layers have to be compressed first."""
    if compression is not None:
        manifest = store.compressed.manifest(
            image.manifest, compression, lambda layer, done: report(layer, Status.COMPRESSING, done)
        )
        if manifest != image.manifest:
            return manifest, manifest.encode()
    return image.manifest, store.layout.blobs.read(store.descriptor(image))


def _push_blobs(store: ImageStore, upload: Upload, manifest: Manifest) -> None:
    sources = _sources(store, upload.repository)
    # Two layers may be one and the same blob.
    blobs = {blob.digest: blob for blob in (*manifest.layers, manifest.config)}.values()

    def work(descriptor: Descriptor, stopped: Stopped) -> None:
        upload.run(descriptor, stopped, sources.get(descriptor.digest, ()))

    in_parallel(work, blobs, upload.client.settings.parallel_transfers)


def _sources(store: ImageStore, repository: Repository) -> dict[Digest, list[str]]:
    """Of each blob, other repositories of the same registry that should have it: an image there is called so."""
    found: dict[Digest, dict[str, None]] = {}
    for entry in store.layout.index().manifests:
        with suppress(ImageError):  # what is wrong with other images is no matter of this one
            source = Repository.of(Reference.parse(entry.ref_name))
            if source.host == repository.host and source.path != repository.path:
                for blob in references(store, entry)[0]:
                    found.setdefault(blob.digest, {})[source.path] = None
    return {digest: list(paths) for digest, paths in found.items()}
