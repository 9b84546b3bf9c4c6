"""Read a container's log: all of it, its end, or for as long as the container goes on.

Files are put aside by renames while we read. A reader holds its file open and knows it by its inode: once it was put
aside nothing is added to it any more, so it is read to its end and then the next one. An entry is lost only if the file
that it is in was deleted before we came to it.
"""

from __future__ import annotations

import os
import time

from runtime.supervision.entries import decode
from runtime.supervision.errors import SupervisionError, Unknown
from runtime.supervision.logfile import NAME, numbers_aside
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.supervision.entries import LogEntry
    from runtime.supervision.record import Place

_CHUNK = 65536
_PAUSE_S = 0.05
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class _File:
    """One file of the log, read line by line."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.inode = os.fstat(fd).st_ino
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        """Those that are there by now, and were not given before; one that is not finished stays."""
        while read := os.read(self.fd, _CHUNK):
            *whole, self._rest = (self._rest + read).split(b"\n")
            yield from whole

    def skip_to_last(self, count: int) -> int:
        """Go to where the last so many lines begin; how many there are."""
        position, found = os.fstat(self.fd).st_size, 0
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            chunk = os.pread(self.fd, size, position)
            at = len(chunk)
            while (at := chunk.rfind(b"\n", 0, at)) >= 0:
                # An end of a line: of the last one first, which may have another behind it that is not finished.
                if found == count:
                    os.lseek(self.fd, position + at + 1, os.SEEK_SET)
                    return found
                found += 1
        os.lseek(self.fd, 0, os.SEEK_SET)
        return found

    def close(self) -> None:
        """Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _look(place: Place) -> tuple[list[int], int]:
    """The numbers of the files that were put aside, oldest first, and the inode of the one that grows, 0 for none."""
    aside = numbers_aside(place.directory)
    try:
        return aside, os.stat(place.path(NAME)).st_ino
    except FileNotFoundError:
        return aside, 0


def _open_all(place: Place) -> list[_File]:
    """Every file, oldest first, as they were at one moment: if something changed while we looked, we look again."""
    while True:
        files: list[_File] = []
        aside, growing = _look(place)
        for name in (*(f"{NAME}.{number}" for number in aside), NAME):
            with suppress(FileNotFoundError):
                files.append(_File(os.open(place.path(name), _READ)))
        is_whole = len(files) == len(aside) + bool(growing) and (not growing or files[-1].inode == growing)
        if is_whole and (aside, growing) == _look(place):
            return files
        for file in files:
            file.close()


def read_logs(place: Place, *, tail: int | None = None, since_ns: int | None = None) -> Iterator[LogEntry]:
    """What there is by now, oldest first; only the last ``tail`` entries, only those since a moment."""
    yield from _selected(_lines(_begin(place, tail), place, follow=False), since_ns)


def follow(place: Place, *, tail: int | None = None, since_ns: int | None = None) -> Iterator[LogEntry]:
    """The same, and then what is added, until the container has ended and will not be started again by itself."""
    yield from _selected(_lines(_begin(place, tail), place, follow=True), since_ns)


def _begin(place: Place, tail: int | None) -> list[_File]:
    """The files that are to be read, oldest first, each at its place."""
    files = _open_all(place)
    if tail is None:
        return files
    kept: list[_File] = []
    for file in reversed(files):
        if tail > 0:
            tail -= file.skip_to_last(tail)
            kept.insert(0, file)
        elif file is files[-1]:
            os.lseek(file.fd, 0, os.SEEK_END)
            kept.insert(0, file)
        else:
            file.close()
    return kept


def _selected(lines: Iterator[bytes], since_ns: int | None) -> Iterator[LogEntry]:
    for line in lines:
        try:
            entry = decode(line)
        except (ValueError, KeyError) as error:
            raise SupervisionError(f"read log: {error!r} in {line[:80]!r}") from error
        if since_ns is None or entry.taken_at_ns >= since_ns:
            yield entry


def _lines(files: list[_File], place: Place, *, follow: bool) -> Iterator[bytes]:
    """Through all files, and those that come."""
    try:
        while True:
            is_over = not follow or _is_over(place)  # asked before we read: what is written before it ends is read then
            if not files:
                files = _open_all(place)
            while len(files) > 1:
                yield from files[0].lines()
                files.pop(0).close()
            if files:
                yield from files[0].lines()
                files = _with_newer(files[0], place)
            if len(files) > 1:
                continue
            if is_over:
                return
            time.sleep(_PAUSE_S)
    finally:
        for file in files:
            file.close()


def _with_newer(file: _File, place: Place) -> list[_File]:
    """The file, which is read on, and those that are newer; all, if it is so old that it was deleted."""
    if _look(place)[1] == file.inode:
        return [file]
    files = _open_all(place)
    inodes = [other.inode for other in files]
    older = inodes.index(file.inode) + 1 if file.inode in inodes else 0
    for other in files[:older]:
        other.close()
    return [file, *files[older:]]


def _is_over(place: Place) -> bool:
    try:
        return not place.read().life.phase.is_active
    except Unknown:
        return True
