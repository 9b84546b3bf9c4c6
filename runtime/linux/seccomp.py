"""Install a compiled seccomp filter: plain bytes and prctl(2), nothing else, so that it is safe in a child."""

from __future__ import annotations

import ctypes

from runtime.linux import constants, syscalls


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(program: bytes) -> None:
    """Filter the calling thread from now on. It must have no_new_privs or CAP_SYS_ADMIN."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _SockFprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    syscalls.prctl(constants.PR_SET_SECCOMP, constants.SECCOMP_MODE_FILTER, ctypes.addressof(fprog))
