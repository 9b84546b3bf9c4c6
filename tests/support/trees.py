"""Trees as plain values, read by the kernel's own paths: what views, layers and archives are held to."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.rootfs.overlay import Overlay, mount_overlay, unmount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True)
class Facts:
    """Everything about a file but its inode's number; ``names`` are all that it has in the tree."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    content: bytes
    device: int
    xattrs: tuple[tuple[str, bytes], ...]
    names: frozenset[bytes] = frozenset()


def read_tree(root: Path | bytes) -> Mapping[bytes, Facts]:
    """All that is below ``root``, by the path there."""
    top = os.fsencode(root)
    found: dict[bytes, Facts] = {}
    inodes: dict[tuple[int, int], list[bytes]] = {}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            below = path[len(top) + 1 :]
            found[below] = _facts(path, status)
            if not stat.S_ISDIR(status.st_mode):
                inodes.setdefault((status.st_dev, status.st_ino), []).append(below)
    for names in inodes.values():
        if len(names) > 1:
            for name in names:
                found[name] = replace(found[name], names=frozenset(names))
    return found


def _facts(path: bytes, status: os.stat_result) -> Facts:
    kind = _TYPES[stat.S_IFMT(status.st_mode)]
    content = b""
    if kind == "file":
        with open(path, "rb") as file:
            content = file.read()
    elif kind == "link":
        content = os.readlink(path)
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("trusted.overlay.")]
    xattrs = tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))
    owner = (status.st_uid, status.st_gid)
    return Facts(kind, stat.S_IMODE(status.st_mode), owner, status.st_mtime_ns, content, status.st_rdev, xattrs)


@contextmanager
def overlay(lowers: Sequence[Path], ground: Path) -> Iterator[tuple[Path, Path]]:
    """The layers, bottom first, mounted below an upper directory of its own in ``ground``: merged and upper."""
    for name in ("upper", "work", "merged", "empty"):
        (ground / name).mkdir(parents=True)
    bottom = tuple(str(layer) for layer in (ground / "empty", *lowers))
    merged = str(ground / "merged")
    mount_overlay(Overlay(bottom, str(ground / "upper"), str(ground / "work"), merged, devices=True))
    try:
        yield ground / "merged", ground / "upper"
    finally:
        unmount(merged)
