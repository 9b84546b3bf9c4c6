"""A container's log as it is written: one file that grows, and older ones beside it, each put aside by a rename.

``log.json`` is the one that grows. The first that was put aside is ``log.json.1``, the next ``log.json.2``, and the
lowest are deleted. A file is renamed once and never again (Docker renames all of them each time), so that a reader can
tell which one follows which, whenever it looks.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.supervision.terms import LogLimits

NAME = "log.json"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_ASIDE = re.compile(re.escape(NAME) + r"\.([1-9][0-9]*)")


def numbers_aside(directory: str) -> list[int]:
    """Of the files that were put aside, oldest first."""
    return sorted(int(match[1]) for name in os.listdir(directory) if (match := _ASIDE.fullmatch(name)))


class LogFile:
    """The file that grows, open; ``inode`` and ``size`` are its own."""

    def __init__(self, directory: str, limits: LogLimits) -> None:
        self._directory = directory
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
        """Put the file aside, delete those that are too many, and begin another."""
        aside = numbers_aside(self._directory)
        aside.append(aside[-1] + 1 if aside else 1)
        os.rename(self._path, f"{self._path}.{aside[-1]}")
        for number in aside[: max(len(aside) - self._limits.max_files + 1, 0)]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._path}.{number}")
        self.close()
        self._open()

    def close(self) -> None:
        """Write no more. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
