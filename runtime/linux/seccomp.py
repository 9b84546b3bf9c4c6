"""A compiled seccomp filter in memory, where prctl(2) takes it from."""

from __future__ import annotations

import ctypes
from functools import lru_cache

_INSTRUCTION_BYTES = 8


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@lru_cache
def _loaded(program: bytes) -> tuple[_SockFprog, ctypes.Array[ctypes.c_char]]:
    """The filter and the structure that points to it: kept, because the kernel is given the address."""
    instructions = ctypes.create_string_buffer(program, len(program))
    return _SockFprog(len(program) // _INSTRUCTION_BYTES, ctypes.addressof(instructions)), instructions


def fprog_address(program: bytes) -> int:
    """Where the ``struct sock_fprog`` of this filter is."""
    return ctypes.addressof(_loaded(program)[0])
