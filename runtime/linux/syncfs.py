"""syncfs(2): write one filesystem out; errors are `OSError` with the kernel's errno."""

from __future__ import annotations

import os

from runtime.linux import foreign

_libc = foreign.CDLL(None, use_errno=True)
_libc.syncfs.argtypes = (foreign.c_int,)


def syncfs(fd: int) -> None:
    """syncfs(2): returns when all that was written to the filesystem of ``fd`` is on the disk."""
    if _libc.syncfs(fd) < 0:
        errno = foreign.get_errno()
        raise OSError(errno, os.strerror(errno))
