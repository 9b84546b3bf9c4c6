"""Extracting a layer into a directory that overlayfs can use (image-spec, layer.md).

The archive is hostile until proven otherwise. Every name is resolved by the kernel with the layer's own
directory as its root (`runtime.image.tree`), so that neither ``..`` nor links lead out of it. What is on the
disk afterwards is a function of the archive, and of the layers below for directories that it only implies.

Whiteouts become overlayfs's: ``.wh.x`` a character device 0:0 called ``x``, ``.wh..wh..opq`` the attribute
trusted.overlay.opaque. They act on lower layers only: what the same layer puts in the place stays.

Without root, owners are not set and device nodes are left out.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.archive import DEFAULT_LIMITS, Archive, decompressed, layer_errors
from runtime.image.digest import HashingReader
from runtime.image.errors import CorruptBlob, LayerError, UnsafeEntry
from runtime.image.placing import Placer, replace_entry
from runtime.image.tree import Tree, TreePath, is_whiteout, lstat, tree_path
from runtime.image.view import OPAQUE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runtime.image.archive import Devices, LayerLimits
    from runtime.image.descriptor import Descriptor
    from runtime.image.digest import Digest, Readable, VerifyingReader
    from runtime.image.headers import Entry

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
# AUFS kept its own books under such names; Docker still skips them (pkg/archive/whiteouts.go).
_AUFS = b".wh..wh."


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: how it is stored, and the digest of the archive in it."""

    descriptor: Descriptor
    diff_id: Digest

    def __str__(self) -> str:
        return f"layer {self.diff_id}"


def extract_layer(
    layer: Layer,
    blob: VerifyingReader,
    directory: Path,
    lowers: Sequence[Path] = (),
    limits: LayerLimits = DEFAULT_LIMITS,
) -> int:
    """Extract what ``blob`` yields into the empty ``directory``, verifying it to the last byte on the way.

    Returns how many bytes the files in it hold.

    ``lowers`` are the directories of the layers below, bottom first: a directory that the archive only
    implies gets the owner and the mode it has there. Raises `LayerError` and its kinds, `CorruptBlob`,
    `UnsupportedMedia`; then what is in the directory is worth nothing.
    """
    name = str(layer)
    try:
        with layer_errors(name), decompressed(blob, layer.descriptor.media_type, name) as plain:
            hashed = HashingReader(plain, layer.diff_id.algorithm)
            archive = Archive(hashed, limits, name)
            with Tree.at(directory) as tree:
                extraction = _Extraction(tree, name, lowers, limits.devices)
                extraction.run(archive)
            archive.drain()
    except LayerError:
        blob.drain()  # damage explains an error better than the error itself does
        raise
    blob.drain()  # to the last byte, even if a decompressor should stop before it
    if hashed.digest != layer.diff_id:
        raise CorruptBlob(f"{name}: the archive in blob {layer.descriptor.digest} has digest {hashed.digest}")
    return extraction.size_bytes


def is_opaque(directory: Path) -> bool:
    """Whether an extracted directory hides what is at its place in the layers below."""
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return False
        raise


class _Extraction:
    """One layer on its way to the disk."""

    def __init__(self, tree: Tree, name: str, lowers: Sequence[Path], devices: Devices) -> None:
        self._tree = tree
        self._name = name
        self._lowers = lowers
        self._placer = Placer(tree, devices)
        self._placer.mtimes_ns[()] = 0
        self._privileged = os.geteuid() == 0
        self.size_bytes = 0

    def run(self, archive: Archive) -> None:
        for entry, content in archive:
            place = f"{self._name}: entry {entry.name!r}"
            try:
                with layer_errors(place):
                    self._extract(entry, content)
                    self.size_bytes += entry.size if content is not None else 0
            except UnsafeEntry as error:
                raise UnsafeEntry(f"{place}: {error}") from error
        self._placer.finish()

    def _extract(self, entry: Entry, content: Readable | None) -> None:
        path = tree_path(entry.name)
        if not path:
            if not entry.isdir():
                raise UnsafeEntry("only a directory can stand for the root")
            self._placer.adjust(self._tree.root_fd, path, entry)
            return
        self._tree.make_directories(path[:-1], self._imply)
        with self._tree.directory(path[:-1]) as parent_fd:
            if path[-1].startswith(_WHITEOUT):
                _mark_deleted(parent_fd, path[-1])
            else:
                self._place(parent_fd, path, entry, content)

    def _place(self, parent_fd: int, path: TreePath, entry: Entry, content: Readable | None) -> None:
        """Put the entry in place of whatever this layer had there; two directories become one."""
        present = replace_entry(parent_fd, path[-1], entry)
        if present is not None and entry.isdir() and stat.S_ISDIR(present.st_mode):
            self._placer.adjust(parent_fd, path, entry)
            return
        self._placer.make(parent_fd, path, entry, content)
        if present is not None and entry.isdir() and is_whiteout(present):
            _mark_opaque(parent_fd, path[-1])

    def _imply(self, parent_fd: int, path: TreePath) -> None:
        """Make a directory that the archive does not hold (so far), as it is in the layers below."""
        present = lstat(parent_fd, path[-1])
        replaced = present is not None and is_whiteout(present)
        if present is not None and not replaced:
            raise UnsafeEntry(f"{os.fsdecode(b'/'.join(path))!r} is no directory")
        if replaced:
            os.unlink(path[-1], dir_fd=parent_fd)
        os.mkdir(path[-1], 0o755, dir_fd=parent_fd)
        below = None if replaced else self._status_below(path)
        if below is not None and self._privileged:
            os.chown(path[-1], below.st_uid, below.st_gid, dir_fd=parent_fd)
        os.chmod(path[-1], stat.S_IMODE(below.st_mode) if below else 0o755, dir_fd=parent_fd)
        self._placer.mtimes_ns[path] = below.st_mtime_ns if below else 0
        if replaced:
            _mark_opaque(parent_fd, path[-1])

    def _status_below(self, path: TreePath) -> os.stat_result | None:
        """The directory that overlayfs would show here without this layer; None if it would show none."""
        for lower in reversed(self._lowers):
            with Tree.at(lower) as tree:
                status = tree.lstat(path)
            if status is not None:
                return status if stat.S_ISDIR(status.st_mode) else None
        return None


def _mark_deleted(parent_fd: int, whiteout: bytes) -> None:
    if whiteout == _OPAQUE:
        os.setxattr(parent_fd, OPAQUE, b"y")
        return
    if whiteout.startswith(_AUFS):
        return
    name = whiteout.removeprefix(_WHITEOUT)
    if name in {b"", b".", b".."}:
        raise UnsafeEntry("a whiteout of no name in its directory")
    present = lstat(parent_fd, name)
    if present is None:
        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent_fd)
        os.utime(name, ns=(0, 0), dir_fd=parent_fd, follow_symlinks=False)
    elif stat.S_ISDIR(present.st_mode):
        _mark_opaque(parent_fd, name)


def _mark_opaque(parent_fd: int, name: bytes) -> None:
    os.setxattr(_proc_path(parent_fd, name), OPAQUE, b"y", follow_symlinks=False)


def _proc_path(parent_fd: int, name: bytes) -> bytes:
    """A path for the calls that take no directory descriptor (setxattrat is as young as Linux 6.13)."""
    return b"/proc/self/fd/%d/%s" % (parent_fd, name)
