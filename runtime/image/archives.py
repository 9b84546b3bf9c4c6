"""Images in one tar archive: what ``docker save`` writes (docker-archive), and an image layout in a tar (oci-archive).

The archive is hostile: a member is found by its name in a list of bounded length, links lead to other members only,
and content counts for what its digest says. A docker-archive has no digests: its layers are held to the diff_ids of
the configuration, whose own digest is the image's id.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NoReturn, Protocol, cast

from runtime.image.archive import ARCHIVE_ERRORS
from runtime.image.compressed import SNIFFED_BYTES, is_plain, plain_stream
from runtime.image.digest import CHUNK_BYTES
from runtime.image.document import MAX_DOCUMENT_BYTES
from runtime.image.errors import ArchiveError, LayerTooLarge
from runtime.image.headers import MAX_HEADER_BYTES, Entry, Headers
from runtime.image.tarwriter import BLOCK_BYTES, END, Header, encode_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.digest import Readable

# docker save writes three members a layer, and nothing has more than a few hundred layers.
MAX_MEMBERS = 100_000
_MAX_NAMES_BYTES = 16 * MAX_HEADER_BYTES
_MAX_LINKS = 8


class Writable(Protocol):
    """Where an archive is written to: a file, a pipe."""

    def write(self, data: memoryview, /) -> int | None:
        """Write what can be written at once; how much that was."""


class _Plain(Entry):
    """A header of an archive of images. None of its files is sparse: tarfile would read a map of any length."""

    def _proc_sparse(self, *_: object) -> NoReturn:
        raise tarfile.ReadError("a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_sparse


class ArchiveFile:
    """An archive that can be read in any order; ``name`` begins each error."""

    def __init__(self, tar: Headers, name: str) -> None:
        self._tar = tar
        self.name = name
        self._members: dict[str, Entry] = {}
        with archive_errors(name):
            said = 0
            while (entry := tar.next()) is not None:
                entry.check()
                said += len(entry.name) + sum(map(len, entry.pax_headers.values()))
                if len(self._members) >= MAX_MEMBERS or said > _MAX_NAMES_BYTES:
                    raise ArchiveError(f"{name}: more than {MAX_MEMBERS} members, or {_MAX_NAMES_BYTES} bytes of names")
                self._members[posixpath.normpath(entry.name).lstrip("/")] = entry

    def __contains__(self, member: str) -> bool:
        return posixpath.normpath(member) in self._members

    @contextmanager
    def open(self, member: str) -> Iterator[tuple[BinaryIO, int]]:
        """The content of a member, links followed, and its size; raises `ArchiveError` if there is none."""
        entry = self._find(member)
        with archive_errors(f"{self.name}: {member}"):
            stream = cast("BinaryIO", self._tar.extractfile(entry))
        yield _Member(stream, f"{self.name}: {member}"), entry.size  # type: ignore[misc]

    def read(self, member: str) -> bytes:
        """The content of a document."""
        with self.open(member) as (stream, size):
            if size > MAX_DOCUMENT_BYTES:
                raise ArchiveError(f"{self.name}: {member}: {size} bytes, documents have at most {MAX_DOCUMENT_BYTES}")
            return stream.read()

    def _find(self, member: str) -> Entry:
        """The regular file of that name: docker save writes a layer once, and links to it."""
        path = posixpath.normpath(member)
        for _ in range(_MAX_LINKS):
            entry = self._members.get(path)
            if entry is None:
                break
            if entry.isreg():
                return entry
            if entry.issym():
                path = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.linkname))
            elif entry.islnk():
                path = posixpath.normpath(entry.linkname)
            else:
                break
        raise ArchiveError(f"{self.name}: {member[:200]!r} is no file of the archive")


class _Member(io.RawIOBase):
    """A member's content, whose errors name it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        super().__init__()
        self._stream = stream
        self._name = name

    def read(self, size: int = -1) -> bytes:
        with archive_errors(self._name):
            return self._stream.read(size)


@contextmanager
def archive_errors(name: str) -> Iterator[None]:
    """Turn what a damaged archive provokes into an `ArchiveError` that begins with ``name``."""
    try:
        yield
    except ARCHIVE_ERRORS as error:
        raise ArchiveError(f"{name}: {str(error) or type(error).__name__}") from error


@contextmanager
def open_archive(path: Path, max_bytes: int) -> Iterator[ArchiveFile]:
    """The archive at ``path``; a compressed one goes into a temporary file first, of so many bytes at most."""
    with archive_errors(f"read {path}"):
        file = path.open("rb")
    with file, open_archive_stream(file, str(path), max_bytes) as archive:
        yield archive


@contextmanager
def open_archive_stream(file: BinaryIO, name: str, max_bytes: int) -> Iterator[ArchiveFile]:
    """The archive in an open file. What is compressed or no file but a pipe goes into a temporary one first."""
    if file.seekable():
        with archive_errors(name):
            begin = file.tell()
            plain = is_plain(file.read(SNIFFED_BYTES))
            file.seek(begin)
        if plain and begin == 0:
            yield _open_tar(file, name)
            return
    with _spool() as spool:
        with archive_errors(name), plain_stream(file) as stream:
            _copy(stream, spool, max_bytes, name)
        spool.seek(0)
        yield _open_tar(spool, name)


@contextmanager
def spooled(stream: Readable, max_bytes: int, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """All of a stream in a temporary file, from its beginning, and its size."""
    with _spool() as file:
        _copy(stream, file, max_bytes, name)
        size = file.tell()
        file.seek(0)
        yield file, size


@contextmanager
def _spool() -> Iterator[BinaryIO]:
    import tempfile

    with tempfile.TemporaryFile(prefix="tare-") as file:
        yield cast("BinaryIO", file)


def _copy(stream: Readable, target: BinaryIO, max_bytes: int, name: str) -> None:
    while data := stream.read(CHUNK_BYTES):
        target.write(data)
        if target.tell() > max_bytes:
            raise LayerTooLarge(f"{name}: more than {max_bytes} bytes uncompressed")


def _open_tar(file: BinaryIO, name: str) -> ArchiveFile:
    with archive_errors(name):
        tar = Headers.open(fileobj=file, mode="r:", tarinfo=_Plain, encoding="utf-8", errors="surrogateescape")
    return ArchiveFile(tar, name)


class ArchiveWriter:
    """An archive that is written: members in the order in which they come, without time and owner."""

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._names: set[str] = set()

    def add(self, name: str, stream: Readable, size: int) -> None:
        """A file of ``size`` bytes; one that is there already is left out. Raises `ArchiveError` if there are fewer."""
        if name in self._names:
            return
        self._names.add(name)
        self._write(encode_header(Header(name.encode(), size_bytes=size)))
        left = size
        while left and (data := stream.read(min(left, CHUNK_BYTES))):
            self._write(data)
            left -= len(data)
        if left:
            raise ArchiveError(f"write {name} into the archive: {left} bytes are missing")
        self._write(bytes(-size % BLOCK_BYTES))

    def document(self, name: str, content: bytes) -> None:
        """A small file."""
        self.add(name, io.BytesIO(content), len(content))

    def close(self) -> None:
        """Write the end of the archive."""
        self._write(END)

    def _write(self, data: bytes) -> None:
        write_all(self._file, data)


def write_all(file: Writable, data: bytes) -> None:
    """All of it: a pipe may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]
