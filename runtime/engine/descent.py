"""A way down a directory tree and up again, by descriptors: one is open at a time, however deep the tree is.

Names are never followed where they lead elsewhere, and the way up is checked: whoever moves a directory while we are in
it does not bring us out of the tree.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Descent:
    """Where we are in the tree. A context manager."""

    def __init__(self, root: int | str) -> None:
        self.fd = os.dup(root) if isinstance(root, int) else os.open(root, _DIRECTORY)
        self._above: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    @property
    def depth(self) -> int:
        """How many directories we are below the root."""
        return len(self._above)

    def enter(self, name: str) -> None:
        """Go down into a directory; raises `OSError` if it is none, and stays."""
        status = os.fstat(self.fd)
        self._move(os.open(name, _DIRECTORY, dir_fd=self.fd))
        self._above.append((status.st_dev, status.st_ino))

    def leave(self) -> None:
        """Go up again; raises `OSError` if that is not where we came from."""
        fd = os.open("..", _DIRECTORY, dir_fd=self.fd)
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != self._above[-1]:
            os.close(fd)
            raise OSError(errno.ESTALE, "a directory was moved while it was read")
        self._above.pop()
        self._move(fd)

    def _move(self, fd: int) -> None:
        os.close(self.fd)
        self.fd = fd


def walk(root: int | str) -> Iterator[tuple[int, str, os.stat_result]]:
    """Everything below the root: the descriptor of its directory, its name, and what it is; parents come first.

    What is mounted somewhere below is left out. Raises `OSError` when directories are moved meanwhile.
    """
    with Descent(root) as place:
        device = os.fstat(place.fd).st_dev
        pending = [os.listdir(place.fd)]
        while True:
            if not pending[-1]:
                pending.pop()
                if not pending:
                    return
                place.leave()
                continue
            name = pending[-1].pop()
            status = status_of(name, place.fd)
            if status is None or status.st_dev != device:
                continue
            yield place.fd, name, status
            if stat.S_ISDIR(status.st_mode):
                try:
                    place.enter(name)
                except FileNotFoundError:
                    continue  # it went meanwhile
                pending.append(os.listdir(place.fd))


def status_of(name: str, directory_fd: int) -> os.stat_result | None:
    """What it is, links not followed; None if it has gone."""
    try:
        return os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
