"""Files put into a root by descriptors: no link in it, and no name, leads out of it.

A destination's links are followed once, as if the root were ``/`` (openat2(2), RESOLVE_IN_ROOT). From there on, what is
in the way of a directory or file gives way, links too.
"""

from __future__ import annotations

import os
import stat

from runtime.image.tree import Tree, lstat, remove
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from runtime.image.tree import TreePath

_CONFINED = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_CHUNK_BYTES = 1 << 20
_MAX_LINKS = 40  # as many as the kernel follows (path_resolution(7))


class Attributes(Value):
    """Of a file: all that it has besides its content. A mode or time of None stays as it comes about."""

    uid: int = 0
    gid: int = 0
    mode: int | None = None
    mtime_ns: int | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Placer:
    """What is done in one root. A context manager; in the end directories get the times that they are to have."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._tree = Tree(-1)
        self._times: dict[TreePath, int] = {}

    def __enter__(self) -> Self:
        self._tree = Tree(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._set_times()
        finally:
            os.close(self._tree.root_fd)

    def resolve(self, path: str) -> TreePath:
        """Where it leads, links followed, whether anything is there or not; raises `OSError` for a loop."""
        done: list[bytes] = []
        waiting = _parts(os.fsencode(path))
        links = 0
        while waiting:
            part = waiting.pop()
            if part == b"..":
                done = done[:-1]
                continue
            target = self._link((*done, part))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(40, os.strerror(40), path)
            done = [] if target.startswith(b"/") else done
            waiting += _parts(target)
        return tuple(done)

    def status(self, path: TreePath) -> os.stat_result | None:
        """What is there, links not followed."""
        return self._tree.lstat(path)

    def is_directory(self, path: TreePath) -> bool:
        """Whether a directory is there."""
        found = self.status(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def make_parents(self, path: TreePath, attributes: Attributes) -> None:
        """What is missing of the directories down to ``path``; raises `OSError` if something else is in the way."""
        for depth in range(1, len(path) + 1):
            found = self.status(path[:depth])
            if found is None:
                self.directory(path[:depth], attributes)
            elif not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(20, os.strerror(20), _shown(path[:depth]))

    def directory(self, path: TreePath, attributes: Attributes) -> None:
        """A directory; one that is there stays, with these attributes from now on."""
        if path:
            with self._tree.directory(path[:-1]) as parent:
                found = lstat(parent, path[-1])
                if found is None or not stat.S_ISDIR(found.st_mode):
                    remove(parent, path[-1])
                    os.mkdir(path[-1], 0o755, dir_fd=parent)
        with self._tree.directory(path) as fd:
            os.fchown(fd, attributes.uid, attributes.gid)
            if attributes.mode is not None:
                os.fchmod(fd, attributes.mode)
            _set_xattrs(fd, attributes.xattrs)
        if attributes.mtime_ns is not None:
            self._times[path] = attributes.mtime_ns

    def file(self, path: TreePath, attributes: Attributes, write: Callable[[int], None]) -> None:
        """A file with the content that ``write`` puts into the descriptor it is given."""
        with self._tree.directory(path[:-1]) as parent:
            _make_room(parent, path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(path[-1], flags, 0o600, dir_fd=parent)
            try:
                write(fd)
                os.fchown(fd, attributes.uid, attributes.gid)
                os.fchmod(fd, 0o644 if attributes.mode is None else attributes.mode)
                _set_xattrs(fd, attributes.xattrs)
                if attributes.mtime_ns is not None:
                    os.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))
            finally:
                os.close(fd)

    def symlink(self, path: TreePath, target: bytes, attributes: Attributes) -> None:
        """A symbolic link, whose mode says nothing."""
        with self._tree.directory(path[:-1]) as parent:
            _make_room(parent, path)
            os.symlink(target, path[-1], dir_fd=parent)
            os.chown(path[-1], attributes.uid, attributes.gid, dir_fd=parent, follow_symlinks=False)
            _set_time(parent, path[-1], attributes)

    def node(self, path: TreePath, kind: int, device: int, attributes: Attributes) -> None:
        """A FIFO or a device node: ``kind`` is the type of mknod(2)."""
        with self._tree.directory(path[:-1]) as parent:
            _make_room(parent, path)
            os.mknod(path[-1], kind | 0o600, device, dir_fd=parent)
            os.chown(path[-1], attributes.uid, attributes.gid, dir_fd=parent, follow_symlinks=False)
            # It has just been made, in a directory that nobody else knows.
            os.chmod(path[-1], 0o644 if attributes.mode is None else attributes.mode, dir_fd=parent)
            _set_time(parent, path[-1], attributes)

    def link(self, path: TreePath, target: TreePath) -> None:
        """One more name of a file that is there."""
        with self._tree.directory(target[:-1]) as source, self._tree.directory(path[:-1]) as parent:
            if path != target:
                _make_room(parent, path)
                os.link(target[-1], path[-1], src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

    def forget(self, path: TreePath, depth: int) -> None:
        """Remove what is there, and directories above it as long as they are empty and have ``depth`` components."""
        for end in range(len(path), depth - 1, -1):
            found = self.status(path[:end])
            if found is None:
                continue
            with self._tree.directory(path[: end - 1]) as parent:
                try:
                    if stat.S_ISDIR(found.st_mode):
                        os.rmdir(path[end - 1], dir_fd=parent)
                    else:
                        os.unlink(path[end - 1], dir_fd=parent)
                except OSError:
                    return

    def _link(self, path: TreePath) -> bytes | None:
        found = self.status(path)
        if found is None or not stat.S_ISLNK(found.st_mode):
            return None
        with self._tree.directory(path[:-1]) as parent:
            return os.readlink(path[-1], dir_fd=parent)

    def _set_times(self) -> None:
        """Last: what is made in a directory changes its time."""
        for path, mtime_ns in sorted(self._times.items(), reverse=True):
            if self.is_directory(path):
                with self._tree.directory(path) as fd:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))


def copy_content(source: int, target: int) -> None:
    """All of an open file into another (copy_file_range(2), which shares blocks where it can)."""
    try:
        while os.copy_file_range(source, target, _CHUNK_BYTES << 6):
            pass
    except OSError as error:
        if error.errno not in _CANNOT_SHARE or os.lseek(target, 0, os.SEEK_CUR):
            raise
        while os.sendfile(target, source, None, _CHUNK_BYTES):
            pass


_CANNOT_SHARE = {1, 18, 22, 38, 95}  # EPERM, EXDEV, EINVAL, ENOSYS, EOPNOTSUPP


def open_source(tree_fd: int, path: TreePath) -> int:
    """A file to read below a directory, by a path without links; a FIFO does not make us wait."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
    return openat2(tree_fd, b"/".join(path), flags, resolve=_CONFINED | RESOLVE_NO_SYMLINKS)


def xattrs_of(found: Mapping[str, bytes], *, all_of_them: bool) -> tuple[tuple[str, bytes], ...]:
    """Those that a copy has: of a context only what makes a program able, as Docker's client sends no others."""
    return tuple((name, content) for name, content in found.items() if all_of_them or name == "security.capability")


def _make_room(parent: int, path: TreePath) -> None:
    """What is there gives way, unless it is a directory: a file does not take the place of a tree."""
    found = lstat(parent, path[-1])
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(21, os.strerror(21), _shown(path))
    remove(parent, path[-1])


def _set_xattrs(fd: int, xattrs: tuple[tuple[str, bytes], ...]) -> None:
    for name, content in xattrs:
        os.setxattr(fd, name, content)


def _set_time(parent: int, name: bytes, attributes: Attributes) -> None:
    if attributes.mtime_ns is not None:
        times = (attributes.mtime_ns, attributes.mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)


def _shown(path: TreePath) -> str:
    return "/" + os.fsdecode(b"/".join(path))


def _parts(path: bytes) -> list[bytes]:
    """The components, the last first."""
    return [part for part in reversed(path.split(b"/")) if part not in {b"", b"."}]
