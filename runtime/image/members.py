"""Trees as members of an archive: whole ones, and an overlay's upper directory as a layer's files and whiteouts."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from runtime.image.errors import LayerError
from runtime.image.tarwriter import Header, Kind, Member
from runtime.image.view import View, vanishing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runtime.image.tree import TreePath
    from runtime.image.view import Node

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
_CHUNK_BYTES = 1 << 18
_ZEROS = bytes(_CHUNK_BYTES)
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
_DEVICES = frozenset((Kind.CHARACTER, Kind.BLOCK))
_NO_XATTRS: Mapping[str, bytes] = MappingProxyType({})
# With these an upper directory does not hold what it shows (overlayfs.rst, "redirect_dir" and "Metadata only copy up").
_INCOMPLETE = {"trusted.overlay.redirect": True, "trusted.overlay.metacopy": False}


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What becomes another in the archive than it is in the tree."""

    owner: tuple[int, int] | None = None
    mode: int | None = None
    mtime_ns: int | None = None

    def of(self, header: Header) -> Header:
        """The header with the changes; the mode of a link says nothing and stays."""
        uid, gid = self.owner or (header.uid, header.gid)
        mode = header.mode if self.mode is None or header.kind is Kind.SYMLINK else self.mode
        mtime_ns = header.mtime_ns if self.mtime_ns is None else self.mtime_ns
        return replace(header, uid=uid, gid=gid, mode=mode, mtime_ns=mtime_ns)


AS_IT_IS = Adjustment()


def tree_members(
    view: View,
    top: Node,
    name: bytes = b"",
    adjustment: Adjustment = AS_IT_IS,
    wanted: Callable[[TreePath, bool], bool] | None = None,
) -> Iterator[Member]:
    """``top`` as ``name`` and all below it, a directory before what is in it; without a name only what is below.

    Sockets are left out, as every tar does, and what has gone meanwhile. ``wanted(path below top, is a directory)``
    may leave out more; a directory that is left out hides nothing of what is in it.
    """
    writer = _Members(view, adjustment)
    for node in view.walk(top):
        below = node.path[len(top.path) :]
        full = b"/".join((*([name] if name else []), *below))
        if full and (not below or wanted is None or wanted(below, node.is_directory)):
            yield from writer.member(node, full)


def layer_members(upper: Path, lowers: Sequence[Path]) -> Iterator[Member]:
    """An overlay's upper directory over ``lowers``, bottom first, as the members of a layer (layer.md, "Whiteouts").

    The root itself is none, as with Docker. Raises `LayerError` for what no layer can hold.
    """
    with View.of((upper,), whiteouts=True) as view, View.of(lowers or (upper,)) as below:
        writer = _Members(view, AS_IT_IS)
        for node in view.walk(view.root):
            if not node.path:
                continue
            _check(view, node)
            if node.is_whiteout:
                yield Member(_marker((*node.path[:-1], WHITEOUT + node.path[-1])))
                continue
            yield from writer.member(node, b"/".join(node.path))
            if node.is_directory and lowers and view.is_opaque(node) and below.node(node.path):
                yield Member(_marker((*node.path, OPAQUE)))


def directory_members(path: TreePath, status: Callable[[TreePath], os.stat_result | None]) -> Iterator[Member]:
    """The directories down to ``path`` as a layer needs them: with the owner and mode that they have below."""
    for depth in range(1, len(path) + 1):
        found = status(path[:depth])
        header = Header(b"/".join(path[:depth]), Kind.DIRECTORY, 0o755)
        if found is not None:
            header = replace(
                header,
                mode=stat.S_IMODE(found.st_mode),
                uid=found.st_uid,
                gid=found.st_gid,
                mtime_ns=found.st_mtime_ns,
            )
        yield Member(header)


def file_content(fd: int, size: int) -> Iterator[bytes]:
    """An open file's content; its holes are not read (lseek(2), SEEK_DATA)."""
    offset = 0
    while offset < size:
        data, hole = _extent(fd, offset, size)
        yield from _zeros(data - offset)
        offset = data
        while offset < hole:
            chunk = os.pread(fd, min(_CHUNK_BYTES, hole - offset), offset)
            if not chunk:
                return
            yield chunk
            offset += len(chunk)


class _Members:
    """Nodes as members; further names of a file that is there already become links to it."""

    def __init__(self, view: View, adjustment: Adjustment) -> None:
        self._view = view
        self._adjustment = adjustment
        self._names: dict[tuple[int, int], bytes] = {}

    def member(self, node: Node, name: bytes) -> Iterator[Member]:
        """The member, unless it is a socket, or has gone."""
        kind = _KINDS.get(stat.S_IFMT(node.status.st_mode))
        if kind is None:
            return
        identity = (node.status.st_dev, node.status.st_ino)
        if not node.is_directory and node.status.st_nlink > 1:
            first = self._names.setdefault(identity, name)
            if first != name:
                yield Member(self._adjusted(_header(node, name, Kind.LINK, first)))
                return
        member = None
        with vanishing():
            member = self._whole(node, name, kind)
        if member is not None:
            yield member

    def _whole(self, node: Node, name: bytes, kind: Kind) -> Member:
        link = self._view.read_link(node) if kind is Kind.SYMLINK else b""
        header = _header(node, name, kind, link, self._view.xattrs(node))
        return Member(self._adjusted(header), (lambda: self._read(node)) if header.size_bytes else None)

    def _adjusted(self, header: Header) -> Header:
        return header if self._adjustment is AS_IT_IS else self._adjustment.of(header)

    def _read(self, node: Node) -> Iterator[bytes]:
        """Nothing if it has gone since it was listed: its header has been written."""
        with vanishing(), self._view.open(node) as fd:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                yield from file_content(fd, node.status.st_size)


def _header(
    node: Node,
    name: bytes,
    kind: Kind,
    link: bytes = b"",
    xattrs: Mapping[str, bytes] = _NO_XATTRS,
) -> Header:
    status = node.status
    return Header(
        name,
        kind,
        0o777 if kind is Kind.SYMLINK else stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_size if kind is Kind.FILE else 0,
        status.st_mtime_ns,
        link,
        (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in _DEVICES else (0, 0),
        xattrs,
    )


def _marker(path: TreePath) -> Header:
    return Header(b"/".join(path), mode=0o600)


def _check(view: View, node: Node) -> None:
    """Refuse what a layer would not hold, or would hold as something else."""
    if node.path[-1].startswith(WHITEOUT):
        raise LayerError(f"make a layer of {node}: a name that begins with .wh. marks a deletion")
    if stat.S_ISREG(node.status.st_mode) or node.is_directory:
        for name, of_directories in _INCOMPLETE.items():
            if node.is_directory is of_directories and view.overlay_xattr(node, name) is not None:
                raise LayerError(f"make a layer of {node}: {name} says that it is not all there")


def _extent(fd: int, offset: int, size: int) -> tuple[int, int]:
    """The next data from ``offset`` on: where it begins and ends."""
    try:
        data = os.lseek(fd, offset, os.SEEK_DATA)
        return min(data, size), min(os.lseek(fd, data, os.SEEK_HOLE), size)
    except OSError as error:
        # ENXIO: nothing but a hole up to the end. A file system that knows no holes has data only.
        return (size, size) if error.errno == errno.ENXIO else (offset, size)


def _zeros(count: int) -> Iterable[bytes]:
    while count > 0:
        yield _ZEROS[:count]
        count -= len(_ZEROS)
