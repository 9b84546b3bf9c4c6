"""Interprets the eBPF that device programs are made of (Documentation/bpf/standardization/instruction-set.rst)."""

from __future__ import annotations

import struct

U32 = (1 << 32) - 1
LOAD_WORD, EXIT, JUMP = 0x61, 0x95, 0x05
MOVE_LONG, MOVE, COPY, AND, SHIFT_RIGHT = 0xB7, 0xB4, 0xBC, 0x54, 0x74
NOT_EQUAL, EQUAL, ANY = 0x56, 0x16, 0x46


def run(program: bytes, context: bytes) -> int:
    """What it returns for this context, in which register 1 points; fails for an instruction that is unknown here."""
    instructions = list(struct.iter_unpack("<BBhI", program))
    registers = [0] * 10
    at = 0
    while True:  # no jump goes back, so it ends
        code, both, offset, value = instructions[at]
        to, source = both & 15, both >> 4
        at += 1
        if code == EXIT:
            return registers[0]
        if code == JUMP or (code in {NOT_EQUAL, EQUAL, ANY} and _holds(code, registers[to], value)):
            assert offset > 0, "a jump that goes nowhere or back"
            at += offset
        elif code == LOAD_WORD:
            assert source == 1, "only the context can be read"
            (registers[to],) = struct.unpack_from("<I", context, offset)
        elif code not in {NOT_EQUAL, EQUAL, ANY}:
            registers[to] = _compute(code, registers[to], registers[source], value)


def _holds(code: int, register: int, value: int) -> bool:
    return {NOT_EQUAL: register != value, EQUAL: register == value, ANY: bool(register & value)}[code]


def _compute(code: int, register: int, source: int, value: int) -> int:
    results = {MOVE_LONG: value, MOVE: value, COPY: source, AND: register & value, SHIFT_RIGHT: register >> value % 32}
    return results[code] & U32
