"""Blobs on their way into the store: each once, whoever wants it, and what is there of one is not fetched again.

::

    ROOT/downloads/sha256-HEX    the first bytes of a blob; whoever holds its lock (flock(2)) writes to it

A process that dies leaves its lock and its bytes to the next. The file becomes the blob by a rename, once all its
bytes have been held to digest and size; one with other bytes is removed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

from runtime.image.digest import CHUNK_BYTES, Digest
from runtime.image.durable import store_errors
from runtime.image.errors import CorruptBlob, ImageError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from runtime.image.blobs import Blobs
    from runtime.image.descriptor import Descriptor

_POLL_S = 0.05
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Source(Protocol):
    """Somewhere to get blobs from."""

    def open(self, descriptor: Descriptor, offset: int) -> AbstractContextManager[tuple[Iterable[bytes], int]]:
        """The blob's bytes, and from which offset on they are: ``offset`` or 0."""

    def again(self, failures: int, error: ImageError) -> bool:
        """After so many failures in a row without a new byte: wait, and say whether to go on here."""


class Downloads:
    """The directory ``root`` of unfinished blobs, which become blobs of ``blobs``."""

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self.root = root
        self._blobs = blobs

    def fetch(
        self,
        descriptor: Descriptor,
        sources: Sequence[Source],
        told: Callable[[int], None] = lambda _: None,
        waiting: Callable[[], None] = lambda: None,
    ) -> bool:
        """Get the blob from the first source that has it right; whether it had to be got at all.

        ``told`` hears how many bytes are there, ``waiting`` (again and again) that somebody else is at it; both may
        raise. Raises what the last source raised, `CorruptBlob` for other content than was promised.
        """
        if self._present(descriptor):
            return False
        with store_errors("download to", self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._claimed(descriptor, waiting) as file:
            if self._present(descriptor):
                self._path(descriptor).unlink(missing_ok=True)
                return False
            self._fill(_Partial(file, descriptor, self._path(descriptor)), sources, told)
            self._blobs.adopt(file, self._path(descriptor), descriptor.digest)
        return True

    def sweep(self, older_than_s: float) -> list[Path]:
        """Remove what nobody has written to for so long; what somebody is writing to stays."""
        removed: list[Path] = []
        with store_errors("remove downloads below", self.root):
            for path in sorted(self.root.glob("sha*-*")):
                with suppress(FileNotFoundError), path.open("rb+") as file:
                    old = time.time() - os.fstat(file.fileno()).st_mtime >= older_than_s
                    if old and _try_lock(file) and _is_at(file, path):
                        path.unlink()
                        removed.append(path)
        return removed

    def _present(self, descriptor: Descriptor) -> bool:
        if not self._blobs.has(descriptor):
            return False
        self._blobs.touch(descriptor)
        return self._blobs.has(descriptor)

    def _path(self, descriptor: Descriptor) -> Path:
        return self.root / f"{descriptor.digest.algorithm}-{descriptor.digest.encoded}"

    @contextmanager
    def _claimed(self, descriptor: Descriptor, waiting: Callable[[], None]) -> Iterator[BinaryIO]:
        """The blob's file, for us alone. By the time that we have it, it may have become the blob."""
        path = self._path(descriptor)
        while True:
            with store_errors("open", path):
                file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644), "rb+", 0)
            with file:
                if not _try_lock(file):
                    waiting()
                    time.sleep(_POLL_S)
                elif _is_at(file, path):
                    yield file
                    return

    def _fill(self, partial: _Partial, sources: Sequence[Source], told: Callable[[int], None]) -> None:
        try:
            with store_errors("write", partial.path):
                partial.rehash()
                for number, source in enumerate(sources):
                    try:
                        partial.fill(source, told)
                    except ImageError as error:
                        if number == len(sources) - 1:
                            if isinstance(error, CorruptBlob):
                                partial.path.unlink(missing_ok=True)
                            raise
                    else:
                        return
        except StoreError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
                partial.path.unlink(missing_ok=True)  # others need the room more
            raise


class _Partial:
    """What there is of one blob, and the hash of it."""

    def __init__(self, file: BinaryIO, descriptor: Descriptor, path: Path) -> None:
        self._file = file
        self._descriptor = descriptor
        self.path = path
        self._hash = hashlib.new(descriptor.digest.algorithm)
        self._size = 0

    def rehash(self) -> None:
        """Take over what an earlier attempt has left."""
        while data := self._file.read(CHUNK_BYTES):
            self._hash.update(data)
            self._size += len(data)
        if self._size > self._descriptor.size_bytes:
            self._reset()

    def fill(self, source: Source, told: Callable[[int], None]) -> None:
        """Get what is missing; raises `CorruptBlob` for content that is not as promised, which is then removed."""
        inherited = self._size
        failures = 0
        while True:
            before = self._size
            try:
                self._read(source, told)
            except CorruptBlob:
                self._reset()
                if not inherited:
                    raise
                inherited = 0  # the fault may be in what was there before
            except ImageError as error:
                failures = 0 if self._size > before else failures + 1
                if not source.again(failures, error):
                    raise
            else:
                return

    def _read(self, source: Source, told: Callable[[int], None]) -> None:
        """Take what one answer has to give; to return, everything must be there."""
        if self._size < self._descriptor.size_bytes:
            with source.open(self._descriptor, self._size) as (chunks, start):
                if start != self._size:
                    self._reset()
                for data in chunks:
                    self._append(data)
                    told(self._size)
        self._judge()

    def _append(self, data: bytes) -> None:
        if self._size + len(data) > self._descriptor.size_bytes:
            self._fail(f"more than the promised {self._descriptor.size_bytes} bytes")
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self._size += len(data)

    def _judge(self) -> None:
        if self._size < self._descriptor.size_bytes:
            self._fail(f"{self._size} bytes instead of {self._descriptor.size_bytes}")
        digest = Digest(self._descriptor.digest.algorithm, self._hash.hexdigest())
        if digest != self._descriptor.digest:
            self._fail(f"content has digest {digest}")

    def _fail(self, problem: str) -> None:
        raise CorruptBlob(f"get blob {self._descriptor.digest}: {problem}")

    def _reset(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.new(self._descriptor.digest.algorithm)
        self._size = 0


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file still has that name: a finished one has become a blob."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file.fileno())
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
