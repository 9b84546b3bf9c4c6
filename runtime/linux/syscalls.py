"""One thin function per system call, under the kernel's name; errors are `OSError` with the kernel's errno.

The library is loaded as `ctypes.PyDLL`: the interpreter lock stays held, so a child of `clone3` returns into a lock
that it owns, and nothing is loaded later, when the root may be hostile.
"""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

# asm/unistd: the newer ones have one number everywhere; the others differ.
_SYS_CLONE3 = 435
_SYS_CLOSE_RANGE = 436
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.unshare.argtypes = (ctypes.c_int,)


def machine() -> str:
    """The architecture, as the kernel names it; raises `OSError` for one whose system calls are not known here."""
    name = os.uname().machine
    if name not in _SYS_PIVOT_ROOT:
        raise OSError(0, f"no system call numbers for architecture {name!r}")
    return name


# Resolved once at import: a child whose root has changed must look nothing up.
_MACHINE = machine()


LAST_FD = 0xFFFFFFFF  # for close_range: to the end


class CloneArgs(ctypes.Structure):
    """``struct clone_args`` of clone3(2)."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
                     "set_tid", "set_tid_size", "cgroup")
    )  # fmt: skip


def _check(result: int) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return result


def clone3(args: CloneArgs) -> int:
    """clone3(2): 0 in the child, its pid in the parent."""
    return _check(_syscall(_SYS_CLONE3, ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args))))


def mount(source: str | None, target: str, fstype: str | None, flags: int, data: str | None) -> None:
    """mount(2)."""
    _check(_libc.mount(_bytes(source), os.fsencode(target), _bytes(fstype), flags, _bytes(data)))


def umount2(target: str, flags: int) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags))


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    _check(_syscall(_SYS_PIVOT_ROOT[_MACHINE], os.fsencode(new_root), os.fsencode(put_old)))


def setns(fd: int, nstype: int) -> None:
    """setns(2); ``fd`` may be a pidfd, and ``nstype`` then several flags."""
    _check(_libc.setns(fd, nstype))


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(flags))


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """prctl(2)."""
    return _check(_libc.prctl(option, arg2, arg3, arg4, arg5))


def close_range(first: int, last: int, flags: int) -> None:
    """close_range(2)."""
    _check(_syscall(_SYS_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(last), ctypes.c_uint(flags)))


def capset(header: ctypes.Structure, data: ctypes.Array[ctypes.c_uint32]) -> None:
    """capset(2)."""
    _check(_syscall(_SYS_CAPSET[_MACHINE], ctypes.byref(header), ctypes.byref(data)))


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)
