"""A tar archive's headers: bounded before `tarfile` reads them, and an error where it would stop in silence.

`tarfile` reads a long name or a pax header into memory whole, recurses for each that follows another, and keeps all
that global headers say. None of that has an end.
"""

from __future__ import annotations

import re
import tarfile
from typing import Self, cast

# Long names and extended attributes come in headers that tarfile reads into memory whole.
MAX_HEADER_BYTES = 1 << 20
# In front of one entry: a long name, a long link and pax headers of both kinds, and some that nobody needs.
MAX_HEADERS = 16
_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# Two blocks of zeros, or nothing at all. (typeshed leaves these two out.)
_END_OF_ARCHIVE = (tarfile.EOFHeaderError, tarfile.EmptyHeaderError)  # type: ignore[attr-defined]
_XATTR = "SCHILY.xattr."
_MTIME = re.compile(r"(-?)([0-9]{1,11})(?:\.([0-9]{1,30}))?")


class Headers(tarfile.TarFile):
    """An archive that is read header by header, and remembers none of them."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self._in_front = 0
        self._global_bytes = 0
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def next(self) -> Entry | None:
        """The next entry, or None at the end; raises `tarfile.ReadError` for headers without end."""
        self._in_front = 0
        entry = cast("Entry | None", super().next())
        self.members: list[tarfile.TarInfo] = []  # tarfile would keep them all
        return entry

    def count(self, header: Entry) -> None:
        """Note a header in front of an entry."""
        self._in_front += 1
        self._global_bytes += header.size if header.type == tarfile.XGLTYPE else 0
        if self._in_front > MAX_HEADERS:
            raise tarfile.ReadError(f"more than {MAX_HEADERS} headers in front of one entry")
        if self._global_bytes > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"global headers of more than {MAX_HEADER_BYTES} bytes")


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

    def _proc_member(self, archive: tarfile.TarFile) -> Self:
        """What a header stands for; tarfile calls this for each that it has read."""
        if self.type in _HEADER_TYPES:
            cast("Headers", archive).count(self)
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

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
