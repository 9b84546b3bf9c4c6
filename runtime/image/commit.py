"""New layers and new images: of an upper directory, of an archive's members, of a configuration.

Layers are stored uncompressed: their digest is their diff_id, and what gzip makes of them is a matter of the push.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.image.config import History, ImageConfig
from runtime.image.descriptor import Descriptor
from runtime.image.manifest import CONFIG, DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, LAYER, MANIFEST, Manifest
from runtime.image.members import layer_members
from runtime.image.tarwriter import ChunkReader, archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from runtime.image.store import Image, ImageStore
    from runtime.image.tarwriter import Member


@dataclass(frozen=True, slots=True)
class Author:
    """What is said about a layer in the image's history."""

    created_by: str = ""
    author: str = ""
    comment: str = ""
    created_ns: int | None = None

    def history(self, *, empty_layer: bool = False) -> History:
        """The entry of the history; now, unless another time was given."""
        return History(self.created_by, rfc3339(self.created_ns), self.author, self.comment, empty_layer)


NOBODY = Author()


def rfc3339(time_ns: int | None = None) -> str:
    """A time, now by default, as the image-spec has it: RFC 3339, section 5.6, in UTC, to the nanosecond."""
    seconds, fraction = divmod(time.time_ns() if time_ns is None else time_ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09d}Z"


def put_layer(store: ImageStore, members: Iterable[Member]) -> Descriptor:
    """Store the members as an uncompressed layer; its digest is its diff_id."""
    return store.put_blob(ChunkReader(archive(members)), LAYER)


def layer_of_upper(store: ImageStore, upper: Path, lowers: Sequence[Path]) -> Descriptor:
    """Store what ``upper`` changes of ``lowers`` (bottom first) as a layer; the same changes give the same digest."""
    return put_layer(store, layer_members(upper, lowers))


def append_layer(config: ImageConfig, layer: Descriptor, author: Author) -> ImageConfig:
    """The configuration with one more layer, and an entry of the history for it."""
    return replace(config, diff_ids=(*config.diff_ids, layer.digest), history=(*config.history, author.history()))


def append_empty(config: ImageConfig, author: Author) -> ImageConfig:
    """The configuration with an entry of the history for a change without a layer."""
    return replace(config, history=(*config.history, author.history(empty_layer=True)))


def write_image(
    store: ImageStore,
    config: ImageConfig,
    layers: Sequence[Descriptor],
    reference: str | None = None,
    media_type: str = MANIFEST,
) -> Image:
    """Write configuration and manifest of layers that are stored, and call the image ``reference``, if it is given.

    ``config.diff_ids`` say what the layers are. An image without a name is on the list all the same.
    """
    docker = media_type == DOCKER_MANIFEST
    if docker:
        layers = [replace(layer, media_type=DOCKER_LAYER) if layer.media_type == LAYER else layer for layer in layers]
    written = _put(store, config.encode(), DOCKER_CONFIG if docker else CONFIG)
    manifest = _put(store, Manifest(written, tuple(layers), media_type).encode(), media_type)
    return store.tag(reference, manifest) if reference else store.keep(manifest)


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """What a commit calls its image and says about it; ``change`` makes the parent's configuration the image's."""

    reference: str | None = None
    author: Author = NOBODY
    change: Callable[[ImageConfig], ImageConfig] = lambda config: config


def commit(store: ImageStore, parent: Image, upper: Path, lowers: Sequence[Path], options: CommitOptions) -> Image:
    """The parent and one layer more, of what ``upper`` changes of ``lowers`` (bottom first).

    The parent's layers are shared, in the form in which they are stored. Raises `LayerError` for what no layer holds.
    """
    layer = layer_of_upper(store, upper, lowers)
    layers = (*parent.manifest.layers, layer)
    config = append_layer(options.change(parent.config), layer, options.author)
    config = replace(config, created=config.history[-1].created, author=options.author.author or config.author)
    return write_image(store, config, layers, options.reference, parent.manifest.media_type)


def _put(store: ImageStore, content: bytes, media_type: str) -> Descriptor:
    """Written without being written again: steps of a build often come to the same configuration."""
    descriptor = Descriptor.of(media_type, content)
    blobs = store.layout.blobs
    if blobs.has(descriptor):
        blobs.touch(descriptor)
        if blobs.has(descriptor):
            return descriptor
    return store.put_blob(io.BytesIO(content), media_type, descriptor)
