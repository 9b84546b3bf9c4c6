"""A seccomp filter executed by hand: classic BPF, as far as seccomp(2) filters use it (linux/bpf_common.h)."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, ERRNO, KILL_THREAD, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x00000000, 0x80000000

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMPS = {
    0x15: lambda value, constant: value == constant,
    0x25: lambda value, constant: value > constant,
    0x35: lambda value, constant: value >= constant,
    0x45: lambda value, constant: value & constant != 0,
}
_JUMP_ALWAYS = 0x05


@lru_cache(maxsize=64)
def _instructions(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("=HBBI", program))


def verdict(program: bytes, number: int, arguments: Sequence[int] = (), architecture: int = X86_64) -> int:
    """What the filter returns for one system call: `ALLOW`, ``ERRNO | errno``, or one of the kills."""
    words = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, *(0,) * (6 - len(arguments)))]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *words)  # struct seccomp_data
    instructions = _instructions(program)
    accumulator, place = 0, 0
    while True:
        code, if_true, if_false, constant = instructions[place]
        place += 1
        if code == _RETURN:
            return int(constant)
        if code == _LOAD:
            (accumulator,) = struct.unpack_from("=I", data, constant)
        elif code == _AND:
            accumulator &= constant
        elif code == _JUMP_ALWAYS:
            place += constant
        else:
            place += if_true if _JUMPS[code](accumulator, constant) else if_false
