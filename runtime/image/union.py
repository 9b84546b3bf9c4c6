"""Reading one file of an image from its unpacked layers, as overlayfs would show it, without a mount.

The layers are hostile: links are followed by hand, in the union and never in the host's tree.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runtime.image.errors import LayerError
from runtime.image.tree import Tree, is_whiteout, lstat
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runtime.image.tree import TreePath

_OPAQUE = "trusted.overlay.opaque"
_MAX_LINKS = 40  # as many as the kernel follows (path_resolution(7))


def read_file(layers: Sequence[Path], path: str, limit_bytes: int) -> bytes | None:
    """The regular file at ``path`` in the union of ``layers``, bottom first; None if the union has none there.

    Raises `LayerError` for one of more than ``limit_bytes``.
    """
    with ExitStack() as stack:
        trees = [stack.enter_context(Tree.at(layer)) for layer in reversed(layers)]
        found = _resolve(trees, path)
        if found is None:
            return None
        tree, place = found
        fd = openat2(
            tree.root_fd, b"/".join(place), os.O_RDONLY | os.O_NOFOLLOW, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS
        )
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
            content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise LayerError(f"read {path} of the image: more than {limit_bytes} bytes")
    return content


def _resolve(trees: Sequence[Tree], path: str) -> tuple[Tree, TreePath] | None:
    """The layer that shows a regular file there, and the file's place in it, links followed."""
    done: TreePath = ()
    waiting = _parts(os.fsencode(path))
    links = 0
    while waiting:
        part = waiting.pop()
        if part == b"..":
            done = done[:-1]
            continue
        found = _visible(trees, (*done, part))
        if found is None:
            return None
        tree, status = found
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MAX_LINKS:
                return None
            target = _read_link(tree, (*done, part))
            done = () if target.startswith(b"/") else done
            waiting += _parts(target)
        elif waiting or stat.S_ISREG(status.st_mode):
            done = (*done, part)
        else:
            return None
    return (found[0], done) if done and (found := _visible(trees, done)) else None


def _parts(path: bytes) -> list[bytes]:
    """The components, the last first."""
    return [part for part in reversed(path.split(b"/")) if part not in {b"", b"."}]


def _visible(trees: Sequence[Tree], path: TreePath) -> tuple[Tree, os.stat_result] | None:
    """What the union of ``trees``, top first, has at a path without links."""
    for tree in trees:
        status, hides = _look(tree, path)
        if status is not None:
            return tree, status
        if hides:
            return None
    return None


def _look(tree: Tree, path: TreePath) -> tuple[os.stat_result | None, bool]:
    """What one layer has there, and whether it hides what layers below it have."""
    hides = False
    for depth in range(1, len(path) + 1):
        with tree.directory(path[: depth - 1]) as parent_fd:
            status = lstat(parent_fd, path[depth - 1])
            hides = hides or _is_opaque(parent_fd)
        if status is None:
            return None, hides
        if is_whiteout(status):
            return None, True
        if depth < len(path) and not stat.S_ISDIR(status.st_mode):
            return None, True
    return status, True


def _is_opaque(directory_fd: int) -> bool:
    """Overlayfs's mark for *nothing shows from below* (Documentation/filesystems/overlayfs.rst)."""
    try:
        return os.getxattr(directory_fd, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return False
        raise


def _read_link(tree: Tree, path: TreePath) -> bytes:
    with tree.directory(path[:-1]) as parent_fd:
        return os.readlink(path[-1], dir_fd=parent_fd)
