"""Bytes on their way from a container's FIFO to its log, in a file.

splice(2) moves them: a byte is in the FIFO or in the file, and never in our memory alone, so that we can be killed at
any moment and none is lost. What has been logged is not taken away but passed by; the file is begun anew when that is
much.
"""

from __future__ import annotations

import contextlib
import os

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MUCH = 1 << 20


class Spool:
    """The file of one stream; what is before ``offset`` has been logged."""

    def __init__(self, path: str, offset: int) -> None:
        self._path = path
        self._fd = os.open(path, _FLAGS, 0o600)
        self.size = os.fstat(self._fd).st_size
        # An offset beyond the end is one of the file before this, which was begun anew with all that was not logged.
        self.offset = offset if offset <= self.size else 0

    def take(self, fifo: int, most: int) -> int | None:
        """Move what is there, up to so many bytes: how many, None at the end of the FIFO."""
        try:
            moved = os.splice(fifo, self._fd, most, offset_dst=self.size, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            return 0
        self.size += moved
        return moved or None

    def pending(self, most: int) -> bytes:
        """What is not logged yet, from its beginning."""
        return os.pread(self._fd, min(self.size - self.offset, most), self.offset)

    def last(self, count: int) -> bytes:
        """The last bytes that were taken."""
        return os.pread(self._fd, count, self.size - count)

    def is_due(self) -> bool:
        """Whether the file is to be begun anew: it would be shorter than the offset, which so belongs to this one."""
        return self.offset >= _MUCH and self.offset > self.size - self.offset

    def renew(self) -> None:
        """Begin it anew, with what is not logged yet."""
        rest = self.pending(self.size)
        partial = f"{self._path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        fd = os.open(partial, _FLAGS | os.O_EXCL, 0o600)
        os.write(fd, rest)
        os.rename(partial, self._path)
        os.close(self._fd)
        self._fd, self.size, self.offset = fd, len(rest), 0

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
