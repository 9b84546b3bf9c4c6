"""openat2(2): open a path whose resolution is confined; errors are `OSError` with the kernel's errno."""

from __future__ import annotations

import os

from runtime.linux import foreign

# asm-generic/unistd.h: one number on every architecture. Linux 5.6.
_SYS_OPENAT2 = 437

# linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10


class _OpenHow(foreign.Structure):
    """``struct open_how``."""

    _fields_ = (("flags", foreign.c_uint64), ("mode", foreign.c_uint64), ("resolve", foreign.c_uint64))


_libc = foreign.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = foreign.c_long
_syscall.argtypes = (
    foreign.c_long,
    foreign.c_int,
    foreign.c_char_p,
    foreign.c_void_p,
    foreign.c_size_t,
)


def openat2(dir_fd: int, path: bytes, flags: int, *, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2): a new descriptor, closed on exec."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    fd = int(_syscall(_SYS_OPENAT2, dir_fd, path, foreign.addressof(how), foreign.sizeof(how)))
    if fd < 0:
        errno = foreign.get_errno()
        raise OSError(errno, os.strerror(errno), os.fsdecode(path))
    return fd
