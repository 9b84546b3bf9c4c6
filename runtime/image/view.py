"""The union of layers, read without a mount: what overlayfs would show (Documentation/filesystems/overlayfs.rst).

The layers are hostile, and a container may change the topmost while it is read. So everything is opened below a layer's
own descriptor by a path without links; links are followed by hand, in the union and never in the host's tree. One
directory alone, such as a mounted root, is a union too.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.tree import is_whiteout, lstat
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, openat2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runtime.image.tree import TreePath

OPAQUE = "trusted.overlay.opaque"
# overlayfs's own book-keeping is no attribute of the file.
OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_MAX_LINKS = 40  # as many as the kernel follows (path_resolution(7))
_NO_XATTRS = {errno.ENODATA, errno.ENOTSUP, errno.EPERM}
# Something is not what it was a moment ago; a link in the place of a directory is one of these.
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL))


@contextmanager
def vanishing() -> Iterator[None]:
    """Go on behind the body if what it looks for is not, or is no more, what it was when it was listed."""
    try:
        yield
    except OSError as error:
        if error.errno not in _GONE:
            raise


@dataclass(frozen=True, slots=True)
class Node:
    """What the union has at a path without links; ``layers`` that show it, topmost first: several for a directory."""

    path: TreePath
    status: os.stat_result
    layers: tuple[int, ...]

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)

    @property
    def is_whiteout(self) -> bool:
        """Whether it marks that what is below is deleted; a view shows these only when asked to."""
        return is_whiteout(self.status)

    def __str__(self) -> str:
        return "/" + os.fsdecode(b"/".join(self.path))


class View:
    """The union of layers, while it is open.

    With ``whiteouts`` they are shown too, with ``mounts`` what is mounted in a layer is.
    """

    def __init__(self, root_fds: Sequence[int], *, whiteouts: bool = False, mounts: bool = False) -> None:
        self._roots = tuple(root_fds)
        self._whiteouts = whiteouts
        self._resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | (0 if mounts else RESOLVE_NO_XDEV)

    @classmethod
    @contextmanager
    def of(cls, layers: Sequence[Path], *, whiteouts: bool = False) -> Iterator[View]:
        """The union of the directories, bottom first."""
        with ExitStack() as stack:
            fds: list[int] = []
            for layer in reversed(layers):
                fds.append(os.open(layer, _DIRECTORY | os.O_CLOEXEC))
                stack.callback(os.close, fds[-1])
            yield cls(fds, whiteouts=whiteouts)

    @property
    def root(self) -> Node:
        """The root of the union: the topmost layer's."""
        return Node((), os.fstat(self._roots[0]), tuple(range(len(self._roots))))

    def node(self, path: TreePath) -> Node | None:
        """What is at a path of which no part is followed as a link."""
        node: Node | None = self.root
        for name in path:
            if node is None or not node.is_directory:
                return None
            node = self.child(node, name)
        return node

    def child(self, directory: Node, name: bytes) -> Node | None:
        """What is called ``name`` in a directory."""
        found: list[tuple[int, os.stat_result]] = []
        for layer, fd in self._directories(directory):
            status = lstat(fd, name)
            if status is not None and not self._adds(found, layer, status):
                break
        return self._node((*directory.path, name), found)

    def children(self, directory: Node) -> list[Node]:
        """What is in a directory, by name."""
        found: dict[bytes, list[tuple[int, os.stat_result]]] = {}
        complete: set[bytes] = set()
        for layer, fd in self._directories(directory):
            for name, status in _entries(fd):
                if name not in complete and not self._adds(found.setdefault(name, []), layer, status):
                    complete.add(name)
        nodes = (self._node((*directory.path, name), found[name]) for name in sorted(found))
        return [node for node in nodes if node is not None]

    def walk(self, top: Node) -> Iterator[Node]:
        """``top`` and all below it: a directory before what is in it, by name."""
        waiting = [top]
        while waiting:
            node = waiting.pop()
            yield node
            if node.is_directory:
                waiting += reversed(self.children(node))

    def resolve(self, path: str, *, follow: bool = True) -> Node | None:
        """What is at a path, links followed within the union; the last one only if told to. None if nothing is."""
        done: list[Node] = [self.root]
        waiting = _parts(os.fsencode(path))
        links = 0
        while waiting:
            part = waiting.pop()
            if not done[-1].is_directory:
                return None
            if part == b"..":
                done = done[:-1] or done
                continue
            node = self.child(done[-1], part)
            if node is None:
                return None
            if not node.is_link or not (waiting or follow):
                done.append(node)
                continue
            links += 1
            target = b""
            with vanishing():
                target = self.read_link(node)
            if links > _MAX_LINKS or not target:
                return None
            done = done[:1] if target.startswith(b"/") else done
            waiting += _parts(target)
        return done[-1]

    @contextmanager
    def open(self, node: Node, flags: int = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW) -> Iterator[int]:
        """A descriptor of it, while the body runs; raises `FileNotFoundError` if it has gone meanwhile."""
        fd = openat2(self._roots[node.layers[0]], b"/".join(node.path) or b".", flags, resolve=self._resolve)
        try:
            yield fd
        finally:
            os.close(fd)

    def read_link(self, node: Node) -> bytes:
        """Where a symbolic link leads."""
        with self.open(node, os.O_PATH | os.O_NOFOLLOW) as fd:
            return os.readlink(b"", dir_fd=fd)

    def xattrs(self, node: Node) -> dict[str, bytes]:
        """Its extended attributes but overlayfs's own."""
        with self.open(node, os.O_PATH | os.O_NOFOLLOW) as fd:
            path = f"/proc/self/fd/{fd}"
            names = sorted(name for name in _xattr_names(path) if not name.startswith(OVERLAY_XATTRS))
            found = {name: _xattr(path, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def overlay_xattr(self, node: Node, name: str) -> bytes | None:
        """An attribute of overlayfs's own, of what the topmost layer has there."""
        with self.open(node, os.O_PATH | os.O_NOFOLLOW) as fd:
            return _xattr(f"/proc/self/fd/{fd}", name)

    def is_opaque(self, directory: Node) -> bool:
        """Whether its topmost layer hides what layers below have there."""
        return self.overlay_xattr(directory, OPAQUE) == b"y"

    def _directories(self, node: Node) -> Iterator[tuple[int, int]]:
        """The layers that a directory is the union of, topmost first, each with its descriptor for a moment."""
        for layer in node.layers:
            fd = -1
            with vanishing():
                fd = openat2(self._roots[layer], b"/".join(node.path) or b".", _DIRECTORY, resolve=self._resolve)
            if fd < 0:
                continue
            try:
                yield layer, fd
                if layer != node.layers[-1] and _xattr(fd, OPAQUE) == b"y":
                    return
            finally:
                os.close(fd)

    def _adds(self, found: list[tuple[int, os.stat_result]], layer: int, status: os.stat_result) -> bool:
        """Add what a layer has to what is above it; whether layers below can add to it still."""
        if is_whiteout(status) and not self._whiteouts:
            return False
        directory = stat.S_ISDIR(status.st_mode)
        if not found or directory:
            found.append((layer, status))
        return directory

    @staticmethod
    def _node(path: TreePath, found: list[tuple[int, os.stat_result]]) -> Node | None:
        return Node(path, found[0][1], tuple(layer for layer, _ in found)) if found else None


def _entries(fd: int) -> Iterator[tuple[bytes, os.stat_result]]:
    with os.scandir(fd) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield os.fsencode(entry.name), entry.stat(follow_symlinks=False)


def _xattr_names(path: str) -> list[str]:
    try:
        return os.listxattr(path)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise


def _xattr(place: int | str, name: str) -> bytes | None:
    """The attribute of an open file; None if it has none of that name."""
    try:
        return os.getxattr(place, name)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return None
        raise


def _parts(path: bytes) -> list[bytes]:
    """The components, the last first."""
    return [part for part in reversed(path.split(b"/")) if part not in {b"", b"."}]
