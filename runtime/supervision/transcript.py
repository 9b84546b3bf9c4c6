"""What a container writes, on its way into its log: every byte once, whenever we are killed.

A byte is moved from the FIFO to a spool (`runtime.supervision.spool`), written to the log as part of an entry, and then
the progress is written down: the log's inode and size, and how far each spool is logged. So after a death between the
last two steps the log itself says what it has beyond the progress, and an entry that was cut is taken away.

Nothing is read from a FIFO whose spool is behind: then the pipe fills up, and the container waits.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from typing import TYPE_CHECKING

from runtime.supervision import entries
from runtime.supervision.logfile import LogFile
from runtime.supervision.spool import Spool
from runtime.supervision.times import format_ns

if TYPE_CHECKING:
    from runtime.supervision.terms import LogLimits

STREAMS = ("stdout", "stderr")
_TURN_BYTES = 32768
_BEHIND_BYTES = 4 * _TURN_BYTES
_PROGRESS = struct.Struct("=4Q")


class Transcript:
    """The log of one container, and the spools before it. Raises `OSError` when the disk is full; it can go on then."""

    def __init__(self, directory: str, limits: LogLimits) -> None:
        self._progress = os.open(f"{directory}/progress", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        written = os.pread(self._progress, _PROGRESS.size, 0).ljust(_PROGRESS.size, b"\0")
        inode, size, *offsets = _PROGRESS.unpack(written)
        self._log = LogFile(directory, limits)
        self._spools = {
            stream: Spool(f"{directory}/{stream}.spool", offset)
            for stream, offset in zip(STREAMS, offsets, strict=True)
        }
        self._catch_up(size if inode == self._log.inode else 0)
        self._commit()

    def _catch_up(self, size: int) -> None:
        """Count what the log has beyond the progress; a file that was begun since then has only such."""
        tail = os.pread(self._log.fd, max(self._log.size - size, 0), size)
        whole = tail[: tail.rfind(b"\n") + 1]
        for line in whole.splitlines():
            with contextlib.suppress(ValueError, KeyError):
                entry = entries.decode(line)
                self._spools[entry.stream].offset += len(entry.content)
        if len(whole) < len(tail):
            self._log.cut(size + len(whole))

    def take(self, stream: str, fifo: int) -> int | None:
        """Move some of what a FIFO has, and log some: how many bytes were moved; None at its end."""
        spool = self._spools[stream]
        moved: int | None = 0
        if spool.is_due():
            spool.renew()
            self._commit()
        if not self.is_behind(stream):
            moved = spool.take(fifo, _TURN_BYTES)
        self._write(stream, ended=False)
        return moved

    def is_behind(self, stream: str) -> bool:
        """Whether so much waits to be logged that nothing more is moved."""
        spool = self._spools[stream]
        return spool.size - spool.offset >= _BEHIND_BYTES

    def last(self, stream: str, count: int) -> bytes:
        """The last bytes that were moved."""
        return self._spools[stream].last(count)

    def finish(self) -> None:
        """Log what is left, the last lines without their ends, too."""
        for stream in STREAMS:
            while self._write(stream, ended=True):
                pass

    def _write(self, stream: str, *, ended: bool) -> int:
        """Log some of what is pending: how many bytes of it."""
        spool = self._spools[stream]
        taken_at = format_ns(time.time_ns())
        lines, logged, length = list[bytes](), 0, 0
        pending = spool.pending(_TURN_BYTES)
        for content in entries.split(pending, ended=ended and spool.offset + len(pending) == spool.size):
            line = entries.encode(content, stream, taken_at)
            if not self._log.has_room(length, len(line)):
                self._append(spool, lines, logged)
                self._log.rotate()
                self._commit()
                lines, logged, length = [], 0, 0
            lines.append(line)
            logged, length = logged + len(content), length + len(line)
        before = spool.offset
        self._append(spool, lines, logged)
        return spool.offset - before

    def _append(self, spool: Spool, lines: list[bytes], logged: int) -> None:
        if lines:
            self._log.append(b"".join(lines))
            spool.offset += logged
            self._commit()

    def _commit(self) -> None:
        offsets = (self._spools[stream].offset for stream in STREAMS)
        os.pwrite(self._progress, _PROGRESS.pack(self._log.inode, self._log.size, *offsets), 0)

    def close(self) -> None:
        """Idempotent."""
        self._log.close()
        for spool in self._spools.values():
            spool.close()
        if self._progress >= 0:
            os.close(self._progress)
            self._progress = -1
