"""A container's log as it is written: one file that grows, and older ones beside it, each put aside by a rename.

``log.json`` is the newest, ``log.json.1`` the one before it. Whoever follows the log knows by the inode that the file
it reads was put aside: nothing is written to it any more, so it is read to its end before the next.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.supervision.terms import LogLimits

NAME = "log.json"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class LogFile:
    """The current file, open; ``inode`` and ``size`` are its own."""

    def __init__(self, directory: str, limits: LogLimits) -> None:
        self._path = f"{directory}/{NAME}"
        self._limits = limits
        self.fd = -1
        self._open()

    def _open(self) -> None:
        self.fd = os.open(self._path, _FLAGS, 0o600)
        found = os.fstat(self.fd)
        self.inode, self.size = found.st_ino, found.st_size

    def has_room(self, buffered: int, more: int) -> bool:
        """Whether ``more`` bytes may be added after those that are going to be; a first entry always may."""
        size = self.size + buffered
        return self._limits.max_bytes is None or size == 0 or size + more <= self._limits.max_bytes

    def append(self, content: bytes) -> None:
        """All of it or, with `OSError`, nothing."""
        written = 0
        try:
            while written < len(content):
                written += os.write(self.fd, content[written:])
        except OSError:
            self.cut(self.size)
            raise
        self.size += written

    def cut(self, size: int) -> None:
        """Take away what was written beyond this size."""
        os.ftruncate(self.fd, size)
        self.size = size

    def rotate(self) -> None:
        """Put the file aside, and begin another."""
        for number in range(self._limits.max_files - 1, 0, -1):
            older = f".{number - 1}" if number > 1 else ""
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._path}{older}", f"{self._path}.{number}")
        if self._limits.max_files == 1:
            os.unlink(self._path)
        self.close()
        self._open()

    def close(self) -> None:
        """Write no more. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
