"""The blobs of an image layout: content under the name of its digest (image-spec, image-layout.md)."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from runtime.image.descriptor import Descriptor
from runtime.image.digest import CHUNK_BYTES, ENCODED_LENGTHS, HashingReader, VerifyingReader
from runtime.image.document import MAX_DOCUMENT_BYTES
from runtime.image.durable import store_errors, sync_directory
from runtime.image.errors import BlobNotFound, CorruptBlob, UnsupportedMedia
from runtime.image.lock import locked, locked_if_idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.digest import Digest, Readable

_PARTIAL = ".partial-"


class Blobs:
    """Content-addressed files below one directory. Written whole or not at all, verified whenever read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: Digest) -> Path:
        """Where the content with this digest is, or would be."""
        return self.root / digest.algorithm / digest.encoded

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a file of the right name and size is there; only reading it verifies its content."""
        try:
            return self.path(descriptor.digest).stat().st_size == descriptor.size_bytes
        except FileNotFoundError:
            return False

    def put(self, stream: Readable, media_type: str, expected: Descriptor | None = None) -> Descriptor:
        """Store what ``stream`` yields; with ``expected``, only if digest and size are the promised ones.

        A blob that is there already is written again: so a damaged one is repaired.
        """
        with store_errors("write blob below", self.root):
            self._sweep()
            with locked(self.root, shared=True), self._partial() as partial:
                reader = _reader(stream, expected)
                shutil.copyfileobj(reader, partial, CHUNK_BYTES)
                self._publish(partial, Path(partial.name), self.path(reader.digest))
        return expected or Descriptor(media_type, reader.digest, reader.size_bytes)

    def adopt(self, file: BinaryIO, path: Path, digest: Digest) -> None:
        """Make the finished file at ``path``, of the same file system, a blob; whoever calls has verified it."""
        with store_errors("write blob below", self.root), locked(self.root, shared=True):
            self._publish(file, path, self.path(digest))

    def touch(self, descriptor: Descriptor) -> None:
        """Say that somebody is about to refer to a blob: it is young again, and not collected."""
        path = self.path(descriptor.digest)
        with store_errors("touch blob below", self.root), suppress(FileNotFoundError), locked(path.parent, shared=True):
            os.utime(path)

    def remove(self, path: Path, older_than_s: float = 0) -> int:
        """Remove the blob at ``path`` unless it has been written or touched since; the bytes that are free now."""
        with store_errors("remove blob", path), suppress(FileNotFoundError), locked(path.parent):
            status = path.lstat()
            if time.time() - status.st_mtime >= older_than_s:
                path.unlink()
                return status.st_size
        return 0

    def all(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Every file that is called like a blob, whatever it is."""
        for algorithm, length in ENCODED_LENGTHS.items():
            for path in sorted((self.root / algorithm).glob("[0-9a-f]" * length)):
                with suppress(FileNotFoundError):
                    yield path, path.lstat()

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[VerifyingReader]:
        """The content, verified while it is read; raises `BlobNotFound` or `CorruptBlob`."""
        path = self.path(descriptor.digest)
        with _open_blob(path, descriptor) as file:
            _check_file(os.fstat(file.fileno()), descriptor, path)
            yield VerifyingReader(file, descriptor.digest, descriptor.size_bytes, f"blob {path}")

    @contextmanager
    def open_at(self, descriptor: Descriptor, offset: int) -> Iterator[Readable]:
        """The content from ``offset`` on: verified if that is all of it, else whoever reads has to see to that."""
        if not offset:
            with self.open(descriptor) as reader:
                yield reader
            return
        path = self.path(descriptor.digest)
        with _open_blob(path, descriptor) as file:
            _check_file(os.fstat(file.fileno()), descriptor, path)
            file.seek(offset)
            yield file

    def read(self, descriptor: Descriptor) -> bytes:
        """The verified content of a document; raises `UnsupportedMedia` for one too large to be one."""
        if descriptor.size_bytes > MAX_DOCUMENT_BYTES:
            problem = f"{descriptor.size_bytes} bytes, documents have at most {MAX_DOCUMENT_BYTES}"
            raise UnsupportedMedia(f"read blob {descriptor.digest}: {problem}")
        with self.open(descriptor) as reader:
            return reader.read()

    def verify(self, descriptor: Descriptor) -> None:
        """Read the content through; raises `BlobNotFound` or `CorruptBlob`."""
        with self.open(descriptor) as reader:
            reader.drain()

    @contextmanager
    def _partial(self) -> Iterator[BinaryIO]:
        path = self.root / f"{_PARTIAL}{secrets.token_hex(8)}"
        try:
            with path.open("xb") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)  # missing: it has got its name

    def _publish(self, file: BinaryIO, source: Path, path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            sync_directory(self.root)
        with locked(path.parent, shared=True):
            source.rename(path)
        sync_directory(path.parent)

    def _sweep(self) -> None:
        """Remove what killed writers have left: with nobody writing, no partial file is anybody's."""
        with locked_if_idle(self.root) as idle:
            if idle:
                for path in self.root.glob(f"{_PARTIAL}*"):
                    path.unlink()


def _open_blob(path: Path, descriptor: Descriptor) -> FileIO:
    try:
        return FileIO(path, opener=_open_without_waiting)
    except FileNotFoundError:
        raise BlobNotFound(f"read blob {path}: missing, expected {descriptor.media_type}") from None
    except OSError as error:
        raise CorruptBlob(f"read blob {path}: {error.strerror}") from error


def _open_without_waiting(path: str, flags: int) -> int:
    """A layout from elsewhere may hold anything: opening a fifo must not block."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _check_file(status: os.stat_result, descriptor: Descriptor, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CorruptBlob(f"read blob {path}: not a regular file")
    if status.st_size != descriptor.size_bytes:
        raise CorruptBlob(f"read blob {path}: {status.st_size} bytes instead of {descriptor.size_bytes}")


def _reader(stream: Readable, expected: Descriptor | None) -> HashingReader:
    if expected is None:
        return HashingReader(stream)
    return VerifyingReader(stream, expected.digest, expected.size_bytes, f"content of {expected.digest}")
