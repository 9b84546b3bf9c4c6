"""Pulling an image: resolve its name once, fetch what is missing by digest, and give it its name last."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.image.descriptor import Descriptor, Platform
from runtime.image.document import MAX_DOCUMENT_BYTES
from runtime.image.errors import BlobNotFound, CorruptBlob, ImageError, InvalidDocument, UnsupportedMedia
from runtime.image.layout import MAX_INDEX_DEPTH
from runtime.image.manifest import Manifest, parse
from runtime.image.reference import Reference
from runtime.image.registry.endpoint import Repository
from runtime.image.registry.errors import RegistryError
from runtime.image.registry.parallel import in_parallel
from runtime.image.registry.progress import Reporter, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.parallel import Stopped
    from runtime.image.registry.progress import Event
    from runtime.image.store import Image, ImageStore

# Somebody may remove what nobody refers to while it is on its way in, though only with very little grace.
_MAX_ROUNDS = 3
# How soon the extraction notices that somebody has failed.
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stood for at one moment: indexes from the outside in, then the manifest, with their contents."""

    reference: Reference
    documents: tuple[tuple[Descriptor, bytes], ...]
    manifest: Manifest

    @property
    def top(self) -> Descriptor:
        """What the name itself stands for."""
        return self.documents[0][0]

    @property
    def image(self) -> Descriptor:
        """The manifest's descriptor."""
        return self.documents[-1][0]


@dataclass(frozen=True, slots=True)
class PullOptions:
    """For which platform (by default this host), under what name in the store (by default its own), and unpacked?"""

    platform: Platform | None = None
    name: str = ""
    unpack: bool = False


def pull(
    store: ImageStore,
    client: RegistryClient,
    reference: str,
    options: PullOptions = PullOptions(),
    progress: Callable[[Event], None] | None = None,
) -> Image:
    """The image ``reference``, in the store under its name, which it gets when all of it is there.

    A name by digest alone leaves the image without a name. Raises `RegistryError` and its kinds, `CorruptBlob` for
    content that is not as promised, `StoreError`, and other `ImageError` for what is no image.
    """
    resolved = resolve(client, Reference.parse(reference), options.platform)
    return pull_resolved(store, client, resolved, options, progress)


def pull_resolved(
    store: ImageStore,
    client: RegistryClient,
    resolved: Resolved,
    options: PullOptions = PullOptions(),
    progress: Callable[[Event], None] | None = None,
) -> Image:
    """What `pull` does, of what a reference has been resolved to already."""
    report = Reporter(progress)
    for layer in _layers(resolved):
        report(layer, Status.PLANNED)
    where = _Places(client, places(client, resolved.reference))
    for remaining in reversed(range(_MAX_ROUNDS)):
        try:
            _fetch(store, where, resolved, report, unpack=options.unpack)
            return _commit(store, resolved, options.platform, options.name or _name(resolved.reference))
        except BlobNotFound:
            if not remaining:
                raise
    raise AssertionError("unreachable")


def resolve(client: RegistryClient, reference: Reference, platform: Platform | None = None) -> Resolved:
    """What a reference stands for: asked by its tag once, and from there on by digest."""
    wanted = str(reference.digest or reference.tag)
    documents: list[tuple[Descriptor, bytes]] = []
    for _ in range(MAX_INDEX_DEPTH):
        got, content = _manifest(client, reference, wanted)
        documents.append((got, content))
        what = f"manifest {got.digest} of {reference}"
        document = parse(content, got.media_type, what)
        if isinstance(document, Manifest):
            return Resolved(reference, tuple(documents), document)
        chosen = document.select(platform or Platform.host(), what)
        wanted = str(chosen.digest)
    raise InvalidDocument(f"index {documents[0][0].digest} of {reference}: nested deeper than {MAX_INDEX_DEPTH}")


def _manifest(client: RegistryClient, reference: Reference, wanted: str) -> tuple[Descriptor, bytes]:
    """From the first mirror that has it, or from the registry itself, whose failure is raised."""
    *mirrors, origin = places(client, reference)
    for mirror in mirrors:
        with suppress(RegistryError, CorruptBlob):
            return client.manifest(mirror, wanted)
    return client.manifest(origin, wanted)


def places(client: RegistryClient, reference: Reference) -> tuple[Repository, ...]:
    """The repositories that may have it: mirrors in the order of the settings, then its own."""
    origin = Repository.of(reference)
    mirrors = client.settings.mirrors.get(origin.host, ())
    return (*(origin.at(mirror) for mirror in mirrors), origin)


@dataclass(frozen=True, slots=True)
class _Places:
    client: RegistryClient
    repositories: tuple[Repository, ...]

    def sources(self, stopped: Stopped) -> list[_Source]:
        return [_Source(self.client, repository, stopped) for repository in self.repositories]


def _fetch(store: ImageStore, where: _Places, resolved: Resolved, report: Reporter, *, unpack: bool) -> None:
    config = resolved.manifest.config
    if config.size_bytes > MAX_DOCUMENT_BYTES:
        problem = f"{config.size_bytes} bytes, documents have at most {MAX_DOCUMENT_BYTES}"
        raise UnsupportedMedia(f"config {config.digest}: {problem}")
    store.layout.create()

    def fetch(descriptor: Descriptor, stopped: Stopped) -> None:
        transfer = _Transfer(descriptor, report, stopped)
        got = store.downloads.fetch(descriptor, where.sources(stopped), transfer.told, transfer.waiting)
        report(descriptor, Status.DOWNLOADED if got else Status.EXISTS, descriptor.size_bytes)

    # The config first: what it says may make all else needless.
    in_parallel(fetch, [config], 1)
    store.layout.config(resolved.manifest)
    _fetch_layers(resolved, fetch, _Extraction(store, resolved, report) if unpack else None, where)
    for descriptor, content in reversed(resolved.documents):
        store.layout.blobs.put(io.BytesIO(content), descriptor.media_type, descriptor)


def _fetch_layers(
    resolved: Resolved,
    fetch: Callable[[Descriptor, Stopped], None],
    extraction: _Extraction | None,
    where: _Places,
) -> None:
    """Several at once; and those that are there are extracted while the others are on their way."""

    def work(layer: Descriptor | None, stopped: Stopped) -> None:
        if layer is not None:
            fetch(layer, stopped)
            if extraction is not None:
                extraction.arrived(layer)
        elif extraction is not None:
            extraction.run(stopped)

    items = [*([] if extraction is None else [None]), *_layers(resolved)]
    in_parallel(work, items, where.client.settings.parallel_transfers + (extraction is not None))


def _layers(resolved: Resolved) -> tuple[Descriptor, ...]:
    """Each once: two layers may be one and the same blob."""
    return tuple({layer.digest: layer for layer in resolved.manifest.layers}.values())


class _Extraction:
    """The image's layers extracted from the bottom up, each as soon as it has arrived."""

    def __init__(self, store: ImageStore, resolved: Resolved, report: Reporter) -> None:
        self._store = store
        self._manifest = resolved.manifest
        self._report = report
        self._config = store.layout.config(resolved.manifest)
        self._arrived = {layer.digest: threading.Event() for layer in resolved.manifest.layers}

    def arrived(self, layer: Descriptor) -> None:
        """The layer's blob is in the store."""
        self._arrived[layer.digest].set()

    def run(self, stopped: Stopped) -> None:
        """All of them, unless somebody fails meanwhile."""
        for count, layer in enumerate(self._manifest.layers, 1):
            while not self._arrived[layer.digest].wait(_POLL_S):
                if stopped.is_set():
                    return
            self._report(layer, Status.EXTRACTING)
            self._extract(count)
            self._report(layer, Status.EXTRACTED, layer.size_bytes)

    def _extract(self, count: int) -> None:
        """The lowest so many: those that have been extracted before cost next to nothing."""
        manifest = replace(self._manifest, layers=self._manifest.layers[:count])
        self._store.unpack_layers(manifest, replace(self._config, diff_ids=self._config.diff_ids[:count]))


class _Transfer:
    """What one blob's download tells, and when it gives up for another's sake."""

    def __init__(self, descriptor: Descriptor, report: Reporter, stopped: Stopped) -> None:
        self._descriptor = descriptor
        self._report = report
        self._stopped = stopped
        self._waits = False

    def told(self, done_bytes: int) -> None:
        self._report(self._descriptor, Status.DOWNLOADING, done_bytes)

    def waiting(self) -> None:
        if self._stopped.is_set():
            raise RegistryError(f"get blob {self._descriptor.digest}: given up, another one failed")
        if not self._waits:
            self._waits = True
            self._report(self._descriptor, Status.WAITING)


class _Source:
    """A repository as a source of blobs."""

    def __init__(self, client: RegistryClient, repository: Repository, stopped: Stopped) -> None:
        self._client = client
        self._repository = repository
        self._stopped = stopped

    @contextmanager
    def open(self, descriptor: Descriptor, offset: int) -> Iterator[tuple[Iterable[bytes], int]]:
        with self._client.blob(self._repository, descriptor, offset) as (answer, start):
            yield self._until_stopped(answer.chunks(), descriptor), start

    def again(self, failures: int, error: ImageError) -> bool:
        if not isinstance(error, RegistryError) or not error.transient or self._stopped.is_set():
            return False
        patience = self._client.settings.patience
        return failures < patience.attempts and self._client.transport.pause(failures, error.retry_after_s)

    def _until_stopped(self, chunks: Iterable[bytes], descriptor: Descriptor) -> Iterator[bytes]:
        for data in chunks:
            yield data
            if self._stopped.is_set():
                raise RegistryError(f"get blob {descriptor.digest}: given up, another one failed")


def _commit(store: ImageStore, resolved: Resolved, platform: Platform | None, name: str) -> Image:
    """List the image; for this host with all that its name stands for, for another only its own manifest."""
    entry = resolved.top if platform in {None, Platform.host()} else resolved.image
    return store.tag(name, entry) if name else store.keep(entry)


def _name(reference: Reference) -> str:
    return str(Reference(reference.name, reference.tag).familiar) if reference.tag else ""
