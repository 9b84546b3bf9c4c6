"""A compiled seccomp filter as the kernel takes it (seccomp(2))."""

from __future__ import annotations

import struct
from functools import lru_cache

from runtime.linux.program import Memory

_INSTRUCTION_BYTES = 8
_POINTER_AT = 8


@lru_cache(maxsize=16)
def sock_fprog(program: bytes) -> Memory:
    """``struct sock_fprog``: how many instructions, and where."""
    count = struct.pack("=H14x", len(program) // _INSTRUCTION_BYTES)
    return Memory(count, ((_POINTER_AT, Memory(program)),))
