"""syncfs(2): write one filesystem out; errors are `OSError` with the kernel's errno."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syncfs.argtypes = (ctypes.c_int,)


def syncfs(fd: int) -> None:
    """syncfs(2): returns when all that was written to the filesystem of ``fd`` is on the disk."""
    if _libc.syncfs(fd) < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
