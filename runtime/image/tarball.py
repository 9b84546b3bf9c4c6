"""Root filesystems as plain archives: made an image of one layer (``import``), and written (``export``)."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from runtime.image.archive import Archive, layer_errors
from runtime.image.commit import NOBODY, Author, append_layer, write_image
from runtime.image.compression import decompressor, sniff
from runtime.image.config import ImageConfig
from runtime.image.digest import CHUNK_BYTES
from runtime.image.errors import LayerTooLarge
from runtime.image.manifest import LAYER
from runtime.image.members import tree_members
from runtime.image.tarwriter import archive
from runtime.image.tree import tree_path
from runtime.image.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from runtime.image.descriptor import Descriptor
    from runtime.image.digest import Readable
    from runtime.image.store import Image, ImageStore

_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"


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


def export_tarball(layers: Sequence[Path], write: Callable[[bytes], object]) -> None:
    """Write all that the union of the directories (bottom first) has as an archive."""
    with View.of(layers) as view:
        for chunk in archive(tree_members(view, view.root)):
            write(chunk)


@contextmanager
def plain_stream(stream: Readable) -> Iterator[Readable]:
    """What ``stream`` holds, decompressed; it is seen how it is compressed."""
    source = cast("Readable", io.BufferedReader(_Raw(stream), CHUNK_BYTES))
    head = cast("io.BufferedReader", source).peek(8)[:8]
    if head.startswith(_BZIP2):
        import bz2

        with bz2.BZ2File(cast("io.BufferedReader", source)) as plain:
            yield plain
    elif head.startswith(_XZ):
        import lzma

        with lzma.LZMAFile(cast("io.BufferedReader", source)) as plain:
            yield _Xz(plain)
    else:
        with decompressor(source, sniff(head)) as plain:
            yield plain


class _Xz:
    """An xz stream whose faults are `OSError`, as gzip's are."""

    def __init__(self, reader: Readable) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        import lzma

        try:
            return self._reader.read(size)
        except lzma.LZMAError as error:
            raise OSError(str(error)) from error


class _Raw(io.RawIOBase):
    """Anything that can be read, for a buffer in front of it."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """True: that is what it is for."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as there is something."""
        view = memoryview(cast("bytearray", buffer))
        data = self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)


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
            tree_path(entry.name)
        blob.drain()
