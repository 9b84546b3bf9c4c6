"""Writer of the newc archives that the kernel unpacks as its initramfs.

Format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. The archive depends on nothing but its
entries: owners are root, times are zero, inode numbers count up.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in the archive; ``data`` is a file's content or a symbolic link's target."""

    path: str
    mode: int
    data: bytes = b""


def directory(path: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(path, stat.S_IFDIR | permissions)


def regular(path: str, data: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | permissions, data)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def archive(entries: Iterable[Entry]) -> bytes:
    """The whole archive, trailer included. Several archives may simply be appended to each other."""
    records = [_record(number, entry) for number, entry in enumerate(entries, start=1)]
    return b"".join([*records, _record(0, Entry(_TRAILER, 0))])


def _record(inode: int, entry: Entry) -> bytes:
    name = entry.path.lstrip("/").encode() + b"\0"
    fields = (inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
