"""A directory tree reached only through its root's descriptor: neither names nor links in it lead outside."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.image.errors import UnsafeEntry
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV, openat2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A path below the root, in components: never "", ".", ".." or one with a slash.
TreePath = tuple[bytes, ...]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
# openat2(2): EAGAIN when a rename anywhere on the host coincides with the resolution of "..": try again.
_MAX_ATTEMPTS = 1000


def tree_path(name: str) -> TreePath:
    """An archive's name as a path below the root, absolute ones too; raises `UnsafeEntry`."""
    raw = name.encode("utf-8", "surrogateescape")
    path = tuple(part for part in raw.split(b"/") if part not in {b"", b"."})
    if b".." in path:
        raise UnsafeEntry("'..' would lead out of the layer")
    if b"\0" in raw:
        raise UnsafeEntry("the name holds a zero byte")
    return path


def lstat(dir_fd: int, name: bytes) -> os.stat_result | None:
    """What is called ``name``, links not followed; None if nothing is."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it is overlayfs's mark for *deleted* (Documentation/filesystems/overlayfs.rst)."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(0, 0)


class Tree:
    """The tree below one directory; symbolic links in it are resolved as if that directory were ``/``.

    What is mounted in it is not of it, unless with ``mounts``.
    """

    def __init__(self, root_fd: int, *, mounts: bool = False) -> None:
        self.root_fd = root_fd
        self._resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (0 if mounts else RESOLVE_NO_XDEV)

    @classmethod
    @contextmanager
    def at(cls, directory: Path) -> Iterator[Tree]:
        """The tree below ``directory``, while the body runs."""
        root_fd = os.open(directory, _DIRECTORY | os.O_CLOEXEC)
        try:
            yield cls(root_fd)
        finally:
            os.close(root_fd)

    @contextmanager
    def directory(self, path: TreePath) -> Iterator[int]:
        """The descriptor of an existing directory."""
        fd = self._open(path)
        try:
            yield fd
        finally:
            os.close(fd)

    def lstat(self, path: TreePath) -> os.stat_result | None:
        """What is at ``path``, links not followed at its end; None if nothing is."""
        try:
            with self.directory(path[:-1]) as fd:
                return lstat(fd, path[-1] if path else b".")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def make_directories(self, path: TreePath, make: Callable[[int, TreePath], None]) -> None:
        """Have ``make(parent's descriptor, path)`` make what is missing down to ``path``."""
        if self._is_directory(path):
            return
        for depth in range(1, len(path) + 1):
            if not self._is_directory(path[:depth]):
                with self.directory(path[: depth - 1]) as parent_fd:
                    make(parent_fd, path[:depth])

    def _is_directory(self, path: TreePath) -> bool:
        try:
            os.close(self._open(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _open(self, path: TreePath) -> int:
        name = b"/".join(path) or b"."
        for _ in range(_MAX_ATTEMPTS):
            try:
                return openat2(self.root_fd, name, _DIRECTORY, resolve=self._resolve)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.EXDEV}:
                    raise UnsafeEntry(f"resolve {os.fsdecode(name)!r}: {error.strerror}") from error
                raise
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), os.fsdecode(name))


def remove(dir_fd: int, name: bytes) -> None:
    """Remove ``name`` and all below it.

    Without recursion, and with two descriptors: a layer may nest deeper than either is allowed to.
    Directories further down are moved up, beside the others.
    """
    status = lstat(dir_fd, name)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=dir_fd)
        return
    top_fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        while children := os.listdir(top_fd):  # noqa: PTH208 - by descriptor
            for child in children:
                _remove_child(top_fd, os.fsencode(child))
    finally:
        os.close(top_fd)
    os.rmdir(name, dir_fd=dir_fd)


def _remove_child(top_fd: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=top_fd)
    except IsADirectoryError:
        _empty(top_fd, name)
        os.rmdir(name, dir_fd=top_fd)


def _empty(top_fd: int, name: bytes) -> None:
    fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top_fd)
    try:
        for child in os.listdir(fd):  # noqa: PTH208 - by descriptor
            try:
                os.unlink(child, dir_fd=fd)
            except IsADirectoryError:
                os.rename(child, secrets.token_hex(16), src_dir_fd=fd, dst_dir_fd=top_fd)
    finally:
        os.close(fd)
