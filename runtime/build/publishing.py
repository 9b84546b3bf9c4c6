"""A finished image put on the store's list: configuration, manifest, and names last."""

from __future__ import annotations

import io

from runtime.build.errors import BuildError
from runtime.build.options import Built
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.build.bases import Bases
    from runtime.build.state import State
    from runtime.image.descriptor import Descriptor
    from runtime.image.store import ImageStore

_DEFAULT_TAG = "latest"


def publish(bases: Bases, state: State, unchanged: str, tags: tuple[str, ...]) -> Built:
    """Under its names, or without one; an image that is ``unchanged`` is listed already. Raises `BuildError`."""
    names = tuple(tag if ":" in tag.rpartition("/")[2] else f"{tag}:{_DEFAULT_TAG}" for tag in tags)
    digest = unchanged or state.digest
    if names and all(bases.listed(name) == digest for name in names):
        return Built(digest, names)
    if not names and bases.is_listed(digest):
        return Built(digest, names)
    with _image_errors():
        store = bases.store
        manifest = store.descriptor(store.resolve(unchanged)) if unchanged else _write(store, state)
        for name in names:
            store.tag(name, manifest)
        if not names:
            store.keep(manifest)
    return Built(digest, names)


@contextmanager
def _image_errors() -> Iterator[None]:
    from runtime.image.errors import ImageError

    try:
        yield
    except ImageError as error:
        raise BuildError(str(error)) from error


def _write(store: ImageStore, state: State) -> Descriptor:
    from runtime.image.manifest import CONFIG, MANIFEST

    _put(store, state.encode(), CONFIG)
    return _put(store, state.manifest(), MANIFEST)


def _put(store: ImageStore, content: bytes, media_type: str) -> Descriptor:
    from runtime.image.descriptor import Descriptor

    descriptor = Descriptor.of(media_type, content)
    if store.layout.blobs.has(descriptor):
        store.layout.blobs.touch(descriptor)
        if store.layout.blobs.has(descriptor):
            return descriptor
    return store.put_blob(io.BytesIO(content), media_type, descriptor)
