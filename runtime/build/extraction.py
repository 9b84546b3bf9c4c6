"""An archive's files put into a root: that of ADD, or a context that comes by standard input."""

from __future__ import annotations

import os
import stat
import tarfile
from typing import cast

from runtime.build.errors import BuildError
from runtime.build.placing import Attributes
from runtime.image.archive import ARCHIVE_ERRORS, DEFAULT_LIMITS, Archive
from runtime.image.errors import ImageError
from runtime.image.tree import tree_path
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from runtime.build.placing import Placer
    from runtime.image.digest import Readable
    from runtime.image.headers import Entry
    from runtime.image.tree import TreePath

_CHUNK_BYTES = 1 << 18
_NODES = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO}
_OVERLAY = ("trusted.overlay.", "user.overlay.")
_NEW_DIRECTORY = Attributes(mode=0o755)


class Joined:
    """A stream of which the beginning has been read."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """As much as ``size``; less is no end."""
        if self._head:
            taken = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(taken) :]
            return taken if size >= 0 else taken + self._rest.read()
        return self._rest.read(size)


def extract(placer: Placer, top: TreePath, stream: Readable, name: str) -> None:
    """Put what an archive holds below ``top``, which is there; raises `BuildError`."""
    try:
        with _decompressed(stream) as plain:
            for entry, content in Archive(plain, DEFAULT_LIMITS, name):
                _place(placer, top, entry, content)
    except (*ARCHIVE_ERRORS, ImageError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BuildError(f"extract {name}: {reason or type(error).__name__}") from error


@contextmanager
def _decompressed(stream: Readable) -> Iterator[Readable]:
    """By how it begins."""
    head = stream.read(6)
    whole = _Peeked(head, stream)
    if head.startswith(b"BZh"):
        import bz2

        with bz2.BZ2File(cast("BinaryIO", whole)) as plain:
            yield plain
    elif head.startswith(b"\xfd7zXZ"):
        import lzma

        with lzma.LZMAFile(cast("BinaryIO", whole)) as plain:
            yield plain
    else:
        from runtime.image.compression import Compression, decompressor

        kind = Compression.GZIP if head.startswith(b"\x1f\x8b") else None
        kind = Compression.ZSTD if head.startswith(b"\x28\xb5\x2f\xfd") else kind
        with decompressor(whole, kind) as content:
            yield content


class _Peeked:
    """A stream with its first bytes put back; what decompressors ask of a file besides reading, it cannot do."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, all if it is negative."""
        if not self._head:
            return self._rest.read(size)
        taken = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(taken) :]
        return taken + (self._rest.read() if size < 0 else b"")

    def seekable(self) -> bool:
        """No."""
        return False

    def readable(self) -> bool:
        """Yes."""
        return True


def _place(placer: Placer, top: TreePath, entry: Entry, content: Readable | None) -> None:
    path = tree_path(entry.name)
    attributes = _attributes(entry)
    if not path:
        return
    full = (*top, *path)
    _make_parents(placer, top, path)
    if entry.isdir():
        placer.directory(full, attributes)
    elif content is not None:
        placer.file(full, attributes, lambda fd: _copy(content, fd))
    elif entry.issym():
        placer.symlink(full, entry.linkname.encode("utf-8", "surrogateescape"), attributes)
    elif entry.islnk():
        placer.link(full, (*top, *tree_path(entry.linkname)))
    elif entry.type in _NODES:
        device = os.makedev(entry.devmajor, entry.devminor)
        placer.node(full, _NODES[entry.type], device, attributes)


def _make_parents(placer: Placer, top: TreePath, path: TreePath) -> None:
    """A link that the archive, or what was there, has in the place of a directory is followed nowhere."""
    for depth in range(1, len(path)):
        if not placer.is_directory((*top, *path[:depth])):
            placer.directory((*top, *path[:depth]), _NEW_DIRECTORY)


def _attributes(entry: Entry) -> Attributes:
    xattrs = tuple((key, value) for key, value in entry.xattrs.items() if not key.startswith(_OVERLAY))
    return Attributes(entry.uid, entry.gid, entry.mode & 0o7777, entry.mtime_ns, xattrs)


def _copy(content: Readable, fd: int) -> None:
    while data := content.read(_CHUNK_BYTES):
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
