"""Directories of records: listed, locked, written whole, and removed without following what is in them."""

from __future__ import annotations

import fcntl
import os

from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def entries(directory: str) -> list[str]:
    """The names in a directory, sorted; none if it is not there. Names that begin with a dot are half-written."""
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Hold the directory alone (flock(2)), waiting for it; the kernel releases a killed holder's."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def is_locked(directory: str) -> bool:
    """Whether somebody is at work in it."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # so that two who look do not see each other
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def write_whole(path: str, text: str, mode: int = 0o600) -> None:
    """Write the file beside its place and rename it there: it is never seen half-written."""
    directory, name = os.path.split(path)
    temporary = f"{directory}/.{name}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(temporary, path)


def read_text(path: str) -> str | None:
    """What the file says; None if it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_tree(parent: str, name: str) -> None:
    """Remove ``name`` in the directory with all that is below it, however deep and whatever it is. Idempotent."""
    from runtime.image.tree import remove

    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(fd, os.fsencode(name))
    finally:
        os.close(fd)
