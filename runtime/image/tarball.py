"""Root filesystems as plain archives: made an image of one layer (``import``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.image.archive import Archive, layer_errors
from runtime.image.commit import NOBODY, Author, append_layer, write_image
from runtime.image.compressed import plain_stream
from runtime.image.config import ImageConfig
from runtime.image.errors import LayerTooLarge, UnsafeEntry
from runtime.image.manifest import LAYER
from runtime.image.tree import tree_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.descriptor import Descriptor
    from runtime.image.digest import Readable
    from runtime.image.store import Image, ImageStore


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What an import calls its image and says about it; ``change`` makes the configuration of an empty one."""

    reference: str | None = None
    author: Author = NOBODY
    change: Callable[[ImageConfig], ImageConfig] = lambda config: config


def import_tarball(store: ImageStore, stream: Readable, options: ImportOptions, name: str = "tarball") -> Image:
    """An image of one layer, the archive as it is but for its compression (gzip, bzip2, xz, zstd).

    Raises `LayerError` for what is no archive, or one that reaches outside; ``name`` begins the message.
    """
    with plain_stream(stream) as plain:
        layer = store.put_blob(_Bounded(plain, store.limits.max_bytes, f"import {name}"), LAYER)
    _check(store, layer, name)
    config = append_layer(options.change(ImageConfig()), layer, options.author)
    config = replace(config, created=config.history[-1].created, author=options.author.author)
    return write_image(store, config, (layer,), options.reference)


class _Bounded:
    """A stream that ends in an error when it is longer than a layer may be."""

    def __init__(self, stream: Readable, max_bytes: int, name: str) -> None:
        self._stream = stream
        self._left = max_bytes
        self._name = name
        self._problem = f"{name}: more than {max_bytes} bytes uncompressed"

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        with layer_errors(self._name):
            data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise LayerTooLarge(self._problem)
        return data


def _check(store: ImageStore, layer: Descriptor, name: str) -> None:
    """Read it as it will be read when it is extracted: an image that cannot be used is none."""
    with store.open_blob(layer) as blob, layer_errors(f"import {name}"):
        entries = Archive(blob, store.limits, f"import {name}")
        for entry, _ in entries:
            try:
                tree_path(entry.name)
            except UnsafeEntry as error:
                raise UnsafeEntry(f"import {name}: entry {entry.name!r}: {error}") from error
        blob.drain()
