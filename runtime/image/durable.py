"""Files that are there completely or not at all, after a crash too."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.image.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def store_errors(verb: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` of the body into a `StoreError`: ``verb path: reason``."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{verb} {path}: {error.strerror or error}") from error


def sync_directory(directory: Path) -> None:
    """Make the directory's names durable: a rename is in no file's data (fsync(2), notes)."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, content: bytes) -> None:
    """Give ``path`` this content at once and durably. Callers hold a lock: the temporary name is fixed."""
    partial = path.with_name(f".{path.name}.partial")
    with store_errors("write", path):
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_directory(path.parent)
