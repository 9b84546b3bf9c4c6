"""How much a directory tree holds, however deep it is and whatever changes it meanwhile."""

from __future__ import annotations

import os
import stat

from runtime.engine.descent import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK_BYTES = 512  # of st_blocks, whatever the filesystem's are (stat(2))


def tree_bytes(directory: str, seen: set[tuple[int, int]] | None = None) -> int:
    """The sizes of all files below, a file of several names counted once; 0 for what is not there.

    Directories count nothing, as Docker has it (moby, pkg/directory). ``seen`` are files that were counted before.
    """
    return _sum(directory, lambda status: 0 if stat.S_ISDIR(status.st_mode) else status.st_size, seen)


def tree_disk_bytes(directory: str, seen: set[tuple[int, int]] | None = None) -> int:
    """The blocks that all of it takes, as du(1) counts them, the directory itself included."""
    try:
        own = os.stat(directory, follow_symlinks=False).st_blocks * _BLOCK_BYTES
    except OSError:
        return 0
    return own + _sum(directory, lambda status: status.st_blocks * _BLOCK_BYTES, seen)


def _sum(directory: str, measure: Callable[[os.stat_result], int], seen: set[tuple[int, int]] | None) -> int:
    known = set() if seen is None else seen
    return sum(measure(status) for status in _statuses(directory) if _is_new(status, known))


def _is_new(status: os.stat_result, known: set[tuple[int, int]]) -> bool:
    if status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
        return True
    key = (status.st_dev, status.st_ino)
    if key in known:
        return False
    known.add(key)
    return True


def _statuses(directory: str) -> Iterator[os.stat_result]:
    """Of what can be seen: a running container may take away what is being counted."""
    try:
        for _, _, status in walk(directory):
            yield status
    except OSError:
        return
