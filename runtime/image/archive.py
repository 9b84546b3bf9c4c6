"""Reading a layer's tar archive strictly: bounded, and an error where `tarfile` would stop in silence."""

from __future__ import annotations

import enum
import re
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from runtime.image.compression import Compression, decompressor, sniff
from runtime.image.digest import CHUNK_BYTES, HashingReader
from runtime.image.errors import LayerError, LayerTooLarge, UnsupportedMedia
from runtime.image.headers import MAX_HEADER_BYTES, Entry, Headers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.digest import Readable

# What a damaged or hostile archive makes tarfile, gzip and the conversions of its fields raise.
ARCHIVE_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, LookupError, ArithmeticError)
# As long as the longest of them is (zstd, RFC 8878, section 3.1.1).
_MAGIC_BYTES = 4
_COMPRESSIONS = {"tar": None, "gzip": Compression.GZIP, "zstd": Compression.ZSTD}


class Devices(enum.Enum):
    """What becomes of a layer's device nodes. Which of them a container may open is its control group's to say."""

    MAKE = "make"
    LEAVE_OUT = "leave out"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class LayerLimits:
    """What one layer may hold, uncompressed: a bomb is stopped before it has filled the disk."""

    max_bytes: int = 16 << 30
    max_entries: int = 1_000_000
    devices: Devices = Devices.MAKE


DEFAULT_LIMITS = LayerLimits()


class Archive:
    """The entries of an uncompressed archive, in order; content is there until the next is asked for."""

    def __init__(self, stream: Readable, limits: LayerLimits, name: str) -> None:
        self._reader = _BoundedReader(stream, limits.max_bytes, name)
        self._limits = limits
        self._name = name

    def __iter__(self) -> Iterator[tuple[Entry, Readable | None]]:
        with self._open() as tar:
            count = 0
            while (entry := self._next(tar)) is not None:
                count += 1
                self._check(entry, count)
                yield entry, cast("Readable", tar.extractfile(entry)) if entry.isreg() else None

    def drain(self) -> None:
        """Read what follows the end of the archive: it counts for the digest."""
        self._reader.drain()

    def _next(self, tar: Headers) -> Entry | None:
        """The next header. What stands before it, such as a sparse file's map, is read into memory: not without end."""
        with self._reader.limited(tar.offset + MAX_HEADER_BYTES):
            return tar.next()

    def _open(self) -> Headers:
        with self._reader.limited(MAX_HEADER_BYTES):  # it reads the first header at once
            return Headers.open(
                fileobj=self._reader,
                mode="r|",
                bufsize=CHUNK_BYTES,
                tarinfo=Entry,
                encoding="utf-8",
                errors="surrogateescape",
            )

    def _check(self, entry: Entry, count: int) -> None:
        entry.check()
        if count > self._limits.max_entries:
            raise LayerTooLarge(f"{self._name}: more than {self._limits.max_entries} entries")
        if entry.size > self._limits.max_bytes:
            problem = f"{entry.size} bytes, a layer may have {self._limits.max_bytes}"
            raise LayerTooLarge(f"{self._name}: entry {entry.name!r}: {problem}")


class _BoundedReader(HashingReader):
    """Counts the archive's bytes, and stops at the limit."""

    def __init__(self, stream: Readable, max_bytes: int, name: str) -> None:
        super().__init__(stream)
        self._max_bytes = max_bytes
        self._header_end: int | None = None
        self._name = name

    @contextmanager
    def limited(self, end: int) -> Iterator[None]:
        """Refuse to read much further than to ``end``, while the body runs."""
        self._header_end = end + 2 * CHUNK_BYTES  # tarfile reads ahead
        try:
            yield
        finally:
            self._header_end = None

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        if self.size_bytes > self._max_bytes:
            raise LayerTooLarge(f"{self._name}: more than {self._max_bytes} bytes uncompressed")
        if self._header_end is not None and self.size_bytes > self._header_end:
            raise tarfile.ReadError(f"headers of more than {MAX_HEADER_BYTES} bytes")
        return data


@contextmanager
def decompressed(stream: Readable, media_type: str, name: str) -> Iterator[Readable]:
    """The archive in a layer's blob, by the suffix of its media type; raises `UnsupportedMedia`.

    A blob that is not compressed as it is said to be is read as it is, which the diff_id vouches for: podman pushes
    manifests that say gzip of blobs that the registry had from elsewhere, and docker and containerd pull them.
    """
    suffix = re.split(r"[.+]", media_type)[-1]
    if suffix not in _COMPRESSIONS:
        problem = f"media type {media_type!r}: only tar, uncompressed or with gzip or zstd, is read"
        raise UnsupportedMedia(f"{name}: {problem}")
    stated = _COMPRESSIONS[suffix]
    if stated is None:
        yield stream
        return
    begun = _Begun(stream)
    with decompressor(begun, sniff(begun.head)) as plain:
        yield plain


class _Begun:
    """A stream whose first bytes have been looked at."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.head = stream.read(_MAGIC_BYTES)
        self._waiting = self.head

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all that is left if negative."""
        if not self._waiting:
            return self._stream.read(size)
        waiting, self._waiting = self._waiting, b""
        if 0 <= size < len(waiting):
            waiting, self._waiting = waiting[:size], waiting[size:]
            return waiting
        return waiting + self._stream.read(size if size < 0 else size - len(waiting))


@contextmanager
def layer_errors(place: str) -> Iterator[None]:
    """Turn whatever an archive provokes in the body into a `LayerError` that begins with ``place``."""
    try:
        yield
    except ARCHIVE_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LayerError(f"{place}: {reason or type(error).__name__}") from error
