"""An overlay's upper directory made what extracting its layer would have made: neither book-keeping nor sockets."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.image.view import OPAQUE, OVERLAY_XATTRS, View

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.image.view import Node


def purify(directory: Path) -> int:
    """Take from everything below what overlayfs noted for its own use; returns how many bytes the files hold.

    What it noted of a file's origin, for one, would be wrong in a layer below another (overlayfs.rst, "Inode
    properties").
    """
    size = 0
    with View.of((directory,), whiteouts=True) as view:
        links: set[int] = set()
        for node in view.walk(view.root):
            if stat.S_ISSOCK(node.status.st_mode):
                _remove(view, node)
                continue
            with suppress(FileNotFoundError), view.open(node, os.O_PATH | os.O_NOFOLLOW) as fd:
                _strip(f"/proc/self/fd/{fd}")
            if stat.S_ISREG(node.status.st_mode) and node.status.st_ino not in links:
                size += node.status.st_size
                links |= {node.status.st_ino} if node.status.st_nlink > 1 else set()
    return size


def _strip(path: str) -> None:
    for name in os.listxattr(path):
        if name.startswith(OVERLAY_XATTRS) and name != OPAQUE:
            os.removexattr(path, name)


def _remove(view: View, node: Node) -> None:
    parent = view.node(node.path[:-1])
    if parent is not None:
        with view.open(parent, os.O_RDONLY | os.O_DIRECTORY) as fd:
            os.unlink(node.path[-1], dir_fd=fd)
            os.utime(fd, ns=(parent.status.st_atime_ns, parent.status.st_mtime_ns))
