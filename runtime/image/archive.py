"""Reading a layer's tar archive strictly: bounded, and an error where `tarfile` would stop in silence."""

from __future__ import annotations

import enum
import re
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from runtime.image.compression import Compression, decompressor
from runtime.image.digest import CHUNK_BYTES, HashingReader
from runtime.image.errors import LayerError, LayerTooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.digest import Readable

# What a damaged or hostile archive makes tarfile, gzip and the conversions of its fields raise.
ARCHIVE_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, LookupError, ArithmeticError)
# Long names and extended attributes come in headers that tarfile reads into memory whole.
MAX_HEADER_BYTES = 1 << 20
_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# Two blocks of zeros, or nothing at all. (typeshed leaves these two out.)
_END_OF_ARCHIVE = (tarfile.EOFHeaderError, tarfile.EmptyHeaderError)  # type: ignore[attr-defined]
_COMPRESSIONS = {"tar": None, "gzip": Compression.GZIP, "zstd": Compression.ZSTD}
_XATTR = "SCHILY.xattr."
_MTIME = re.compile(r"(-?)([0-9]{1,11})(?:\.([0-9]{1,30}))?")


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


class Entry(tarfile.TarInfo):
    """One header; refuses what tarfile takes for the end of the archive, or would loop over."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next header. tarfile ends in silence at a header with a bad checksum; a layer must not."""
        try:
            return super().fromtarfile(archive)
        except _END_OF_ARCHIVE:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in ``buf``."""
        entry = super().frombuf(buf, encoding, errors)
        if entry.size < 0 or (entry.type in _HEADER_TYPES and entry.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"header with a size of {entry.size} bytes")
        return entry

    @property
    def mtime_ns(self) -> int:
        """When the content was changed; a pax header gives it as a decimal fraction, exactly."""
        text = self.pax_headers.get("mtime")
        if text is None:
            return int(self.mtime) * 10**9
        match = _MTIME.fullmatch(text)
        if not match:
            raise ValueError(f"time {text[:40]!r} is no decimal number of seconds")
        sign, seconds, fraction = match.groups(default="0")
        value = int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0"))
        return -value if sign == "-" else value

    @property
    def xattrs(self) -> dict[str, bytes]:
        """Extended attributes, as star and Docker store them."""
        return {
            key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in self.pax_headers.items()
            if key.startswith(_XATTR)
        }

    def check(self) -> None:
        """Refuse what only the pax headers, read after the header itself, can say."""
        if self.size < 0:
            raise tarfile.ReadError(f"size of {self.size} bytes")
        self._check_map()

    def _check_map(self) -> None:
        """A sparse file's pieces follow each other, within the file."""
        end = 0
        # What typeshed takes for one pair is a list of them.
        for offset, size in cast("list[tuple[int, int]] | None", self.sparse) or []:
            if offset < end or size < 0 or offset + size > self.size:
                raise tarfile.ReadError("a sparse file whose map is none of it")
            end = offset + size


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
                tar.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
                count += 1
                self._check(entry, count)
                yield entry, cast("Readable", tar.extractfile(entry)) if entry.isreg() else None

    def drain(self) -> None:
        """Read what follows the end of the archive: it counts for the digest."""
        self._reader.drain()

    def _next(self, tar: tarfile.TarFile) -> Entry | None:
        """The next header. What stands before it, such as a sparse file's map, is read into memory: not without end."""
        with self._reader.limited(tar.offset + MAX_HEADER_BYTES):
            return cast("Entry | None", tar.next())

    def _open(self) -> tarfile.TarFile:
        with self._reader.limited(MAX_HEADER_BYTES):  # it reads the first header at once
            return tarfile.open(
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
    """The archive in a layer's blob, by the suffix of its media type; raises `UnsupportedMedia`."""
    suffix = re.split(r"[.+]", media_type)[-1]
    if suffix not in _COMPRESSIONS:
        problem = f"media type {media_type!r}: only tar, uncompressed or with gzip or zstd, is read"
        raise UnsupportedMedia(f"{name}: {problem}")
    with decompressor(stream, _COMPRESSIONS[suffix]) as plain:
        yield plain


@contextmanager
def layer_errors(place: str) -> Iterator[None]:
    """Turn whatever an archive provokes in the body into a `LayerError` that begins with ``place``."""
    try:
        yield
    except ARCHIVE_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LayerError(f"{place}: {reason or type(error).__name__}") from error
