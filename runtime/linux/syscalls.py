"""System calls that the launcher itself makes and Python does not offer; errors are `OSError` with the kernel's errno.

The library is loaded as `ctypes.PyDLL`: the interpreter lock stays held, so a child of `clone3` returns into a lock
that it owns.
"""

from __future__ import annotations

import os

from runtime.linux import foreign

_libc = foreign.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = foreign.c_long
_syscall.argtypes = (foreign.c_long,) * 7

CLONE3 = 435  # one number on every architecture
PIDFD_GETFD = 438

_libc.prctl.argtypes = (foreign.c_int, foreign.c_ulong, foreign.c_ulong, foreign.c_ulong, foreign.c_ulong)
_libc.setns.argtypes = (foreign.c_int, foreign.c_int)
_libc.unshare.argtypes = (foreign.c_int,)


class CloneArgs(foreign.Structure):
    """``struct clone_args`` of clone3(2)."""

    _fields_ = tuple(
        (name, foreign.c_uint64)
        for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
                     "set_tid", "set_tid_size", "cgroup")
    )  # fmt: skip


def raw(number: int, *arguments: int) -> int:
    """Any system call: its result, or the negative errno."""
    result: int = _syscall(number, *arguments, *(0,) * (6 - len(arguments)))
    return -foreign.get_errno() if result == -1 else result


def clone3(args: CloneArgs) -> int:
    """clone3(2): 0 in the child, its pid in the parent."""
    return _check(raw(CLONE3, foreign.addressof(args), foreign.sizeof(args)))


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> None:
    """prctl(2)."""
    _check(-foreign.get_errno() if _libc.prctl(option, arg2, arg3, arg4, arg5) < 0 else 0)


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """pidfd_getfd(2): a copy of another process's descriptor."""
    return _check(raw(PIDFD_GETFD, pidfd, fd, 0))


def setns(fd: int, nstype: int) -> None:
    """setns(2); ``fd`` may be a pidfd, and ``nstype`` then several flags."""
    _check(-foreign.get_errno() if _libc.setns(fd, nstype) < 0 else 0)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(-foreign.get_errno() if _libc.unshare(flags) < 0 else 0)


def _check(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
