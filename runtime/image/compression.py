"""Compression of layers: gzip and zstd, in either direction, and each layer of the store compressed at most once.

::

    ROOT/compressed/sha256-HEX.FORMAT    of the blob HEX: the descriptor of its compressed form, another blob
"""

from __future__ import annotations

import enum
import zlib
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from runtime.image.descriptor import Descriptor
from runtime.image.digest import CHUNK_BYTES, Digest
from runtime.image.document import Document, encode
from runtime.image.durable import replace_file, store_errors
from runtime.image.errors import InvalidDocument, UnsupportedMedia
from runtime.image.gunzip import GzipReader
from runtime.image.lock import locked
from runtime.image.manifest import DOCKER_LAYER, DOCKER_LAYER_GZIP, LAYER, LAYER_GZIP, LAYER_ZSTD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from runtime.image.blobs import Blobs
    from runtime.image.digest import Readable
    from runtime.image.manifest import Manifest

# A frame may ask for a window of that much memory, and no more (RFC 8878, section 3.1.1.1.2; zstd's own limit).
_MAX_ZSTD_WINDOW_BYTES = 128 << 20


class Compression(enum.Enum):
    """How a layer is compressed; the value is the suffix of media types and file names."""

    GZIP = "gzip"
    ZSTD = "zstd"


_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}
_COMPRESSED_TYPES = {
    (LAYER, Compression.GZIP): LAYER_GZIP,
    (LAYER, Compression.ZSTD): LAYER_ZSTD,
    (DOCKER_LAYER, Compression.GZIP): DOCKER_LAYER_GZIP,
}


def sniff(head: bytes) -> Compression | None:
    """How content that begins with ``head`` is compressed; None if it is not."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def decompressor(stream: Readable, compression: Compression | None) -> AbstractContextManager[Readable]:
    """The content of ``stream``, decompressed while it is read."""
    if compression is None:
        return nullcontext(stream)
    if compression is Compression.GZIP:
        return nullcontext(GzipReader(stream))
    return _zstd_reader(stream)


@contextmanager
def _zstd_reader(stream: Readable) -> Iterator[Readable]:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES).stream_reader(
        cast("BinaryIO", stream), read_size=CHUNK_BYTES, read_across_frames=True, closefd=False
    )
    with reader:
        yield _ZstdStream(reader)


class _ZstdStream:
    """A zstd stream whose faults are `OSError`, as gzip's are."""

    def __init__(self, reader: BinaryIO) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        import zstandard

        try:
            return self._reader.read(size)
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from error


class CompressedLayers:
    """The compressed forms of blobs, remembered in the directory ``root``."""

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self.root = root
        self._blobs = blobs

    def manifest(
        self, manifest: Manifest, compression: Compression, told: Callable[[Descriptor, int], None]
    ) -> Manifest:
        """The manifest with every layer compressed; those that are already stay as they are."""
        return replace(manifest, layers=tuple(self._ensure(layer, compression, told) for layer in manifest.layers))

    def forms(self) -> Iterator[tuple[Digest, Descriptor, Path]]:
        """What is remembered: of which blob, its compressed form, and where that is written."""
        for path in sorted(self.root.glob("sha*-*.*")):
            try:
                form = Descriptor.from_json(Document.parse(path.read_bytes(), str(path)))
                algorithm, _, encoded = path.stem.partition("-")
                yield Digest(algorithm, encoded), form, path
            except (InvalidDocument, FileNotFoundError):
                path.unlink(missing_ok=True)  # it is a memory only

    def _ensure(
        self, layer: Descriptor, compression: Compression, told: Callable[[Descriptor, int], None]
    ) -> Descriptor:
        if layer.media_type not in {LAYER, DOCKER_LAYER}:
            return layer
        media_type = _COMPRESSED_TYPES.get((layer.media_type, compression))
        if media_type is None:
            raise UnsupportedMedia(f"compress layer {layer.digest}: Docker's media types have no {compression.value}")
        with store_errors("compress layer below", self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self.root):
                return self._remembered(layer, compression) or self._compress(layer, compression, media_type, told)

    def _path(self, layer: Descriptor, compression: Compression) -> Path:
        return self.root / f"{layer.digest.algorithm}-{layer.digest.encoded}.{compression.value}"

    def _remembered(self, layer: Descriptor, compression: Compression) -> Descriptor | None:
        path = self._path(layer, compression)
        try:
            form = Descriptor.from_json(Document.parse(path.read_bytes(), str(path)))
        except (FileNotFoundError, InvalidDocument):
            return None
        self._blobs.touch(form)
        return form if self._blobs.has(form) else None

    def _compress(
        self, layer: Descriptor, compression: Compression, media_type: str, told: Callable[[Descriptor, int], None]
    ) -> Descriptor:
        with self._blobs.open(layer) as content:
            form = self._blobs.put(_Compressor(content, compression, lambda done: told(layer, done)), media_type)
        replace_file(self._path(layer, compression), encode(form.to_json()))
        return form


class _Engine(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Compressor:
    """A stream's content, compressed while it is read; the same content gives the same bytes."""

    def __init__(self, stream: Readable, compression: Compression, told: Callable[[int], None]) -> None:
        self._stream = stream
        self._told = told
        self._done = 0
        self._buffer = b""
        if compression is Compression.GZIP:
            # 31: a window of 32 KiB behind gzip's header, which says neither name nor time.
            self._engine: _Engine = zlib.compressobj(6, zlib.DEFLATED, 31)
        else:
            import zstandard

            self._engine = zstandard.ZstdCompressor(level=3).compressobj()
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all that is left if negative."""
        while not self._ended and (size < 0 or len(self._buffer) < size):
            self._buffer += self._step()
        if size < 0:
            size = len(self._buffer)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _step(self) -> bytes:
        data = self._stream.read(CHUNK_BYTES)
        if not data:
            self._ended = True
            return self._engine.flush()
        self._done += len(data)
        self._told(self._done)
        return self._engine.compress(data)
