"""Putting an archive's entries into a tree, each with its owner, mode, attributes and times.

A container may be at work in the tree. So what an entry made is changed through its descriptor only, never by its
name, which may be a link by now.
"""

from __future__ import annotations

import os
import stat
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.image.archive import Devices
from runtime.image.digest import CHUNK_BYTES
from runtime.image.errors import UnsafeEntry
from runtime.image.tree import lstat, remove, tree_path
from runtime.image.view import OVERLAY_XATTRS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from runtime.image.digest import Readable
    from runtime.image.headers import Entry
    from runtime.image.tree import Tree, TreePath

_ZEROS = bytes(CHUNK_BYTES)
# chown(2) takes -1 for "leave it", as unsigned the greatest id.
_MAX_ID = (1 << 32) - 2
_DEVICE_TYPES = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK}


class Placer:
    """Makes entries below ``base`` in a tree; links lead to what is below it too."""

    def __init__(
        self,
        tree: Tree,
        devices: Devices = Devices.MAKE,
        base: TreePath = (),
        owner: tuple[int, int] | None = None,
    ) -> None:
        self._tree = tree
        self._devices = devices
        self._base = base
        self._owner = owner
        self._privileged = os.geteuid() == 0
        # Set when all is done: whatever is made in a directory changes its time.
        self.mtimes_ns: dict[TreePath, int] = {}

    def make(self, parent_fd: int, path: TreePath, entry: Entry, content: Readable | None) -> None:
        """Make the entry at ``path``, where nothing is."""
        name = path[-1]
        if content is not None:
            with _new_file(parent_fd, name) as file:
                _write(file, content, entry.size)
                self._apply(file.fileno(), entry)
        elif entry.islnk():
            self._link(parent_fd, name, entry)
        elif self._make_special(parent_fd, name, entry):
            self.adjust(parent_fd, path, entry)

    def adjust(self, parent_fd: int, path: TreePath, entry: Entry) -> None:
        """Give what is at ``path`` the owner, mode, attributes and times of the entry; it is no regular file."""
        with _opened(parent_fd, path[-1] if path else b".") as fd:
            if stat.S_ISLNK(os.fstat(fd).st_mode) and not entry.issym():
                raise UnsafeEntry("somebody has put a link in its place")
            # A descriptor that only stands for a path is of use by this name alone (open(2), O_PATH).
            self._apply(f"/proc/self/fd/{fd}", entry)
        if entry.isdir():
            self.mtimes_ns[path] = entry.mtime_ns

    def finish(self) -> None:
        """Set the directories' times."""
        for path, mtime_ns in self.mtimes_ns.items():
            try:
                with self._tree.directory((*self._base, *path)) as fd:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later entry took its place

    def _make_special(self, parent_fd: int, name: bytes, entry: Entry) -> bool:
        """What has no content; whether it was made."""
        if entry.isdir():
            os.mkdir(name, 0o700, dir_fd=parent_fd)
        elif entry.issym():
            os.symlink(entry.linkname.encode("utf-8", "surrogateescape"), name, dir_fd=parent_fd)
        elif entry.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent_fd)
        elif entry.type in _DEVICE_TYPES:
            return self._make_device(parent_fd, name, entry)
        else:
            raise ValueError(f"unknown type {entry.type!r}")
        return True

    def _make_device(self, parent_fd: int, name: bytes, entry: Entry) -> bool:
        if self._devices is Devices.REFUSE:
            raise UnsafeEntry("a device node, which the limits refuse")
        if not self._privileged or self._devices is Devices.LEAVE_OUT:
            return False
        device = os.makedev(entry.devmajor, entry.devminor)
        os.mknod(name, _DEVICE_TYPES[entry.type] | 0o600, device, dir_fd=parent_fd)
        return True

    def _link(self, parent_fd: int, name: bytes, entry: Entry) -> None:
        target = tree_path(entry.linkname)
        if not target:
            raise UnsafeEntry("a hard link to the root")
        with self._tree.directory((*self._base, *target[:-1])) as target_fd:
            os.link(target[-1], name, src_dir_fd=target_fd, dst_dir_fd=parent_fd, follow_symlinks=False)

    def _apply(self, place: int | str, entry: Entry) -> None:
        """Owner, then mode (chown clears setuid), then attributes (chown clears capabilities), then time."""
        uid, gid = self._owner or (entry.uid, entry.gid)
        if not (0 <= uid <= _MAX_ID and 0 <= gid <= _MAX_ID):
            raise ValueError(f"owner {uid}:{gid} is out of range")
        if self._privileged:
            os.chown(place, uid, gid)
        if not entry.issym():
            os.chmod(place, entry.mode & 0o7777)  # noqa: PTH101 - a descriptor's name
        for key, value in entry.xattrs.items():
            if not key.startswith(OVERLAY_XATTRS):
                os.setxattr(place, key, value)
        if not entry.isdir():
            os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))


def replace_entry(parent_fd: int, name: bytes, entry: Entry) -> os.stat_result | None:
    """Remove what is called so, unless both are directories; what was there before."""
    present = lstat(parent_fd, name)
    if present is not None and not (entry.isdir() and stat.S_ISDIR(present.st_mode)):
        remove(parent_fd, name)
    return present


@contextmanager
def _opened(parent_fd: int, name: bytes) -> Iterator[int]:
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def _new_file(parent_fd: int, name: bytes) -> FileIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(name, flags, 0o600, dir_fd=parent_fd), "wb", buffering=0)


def _write(file: FileIO, content: Readable, size: int) -> None:
    """Write a file; long runs of zeros become holes, whether or not the archive knows the file as a sparse one."""
    while data := content.read(CHUNK_BYTES):
        if data == _ZEROS[: len(data)]:
            file.seek(len(data), os.SEEK_CUR)
        else:
            _write_all(file, data)
    file.truncate(size)


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
