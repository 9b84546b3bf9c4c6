"""Classic BPF for seccomp: a search tree over the numbers of system calls, and comparisons of their arguments.

A tree looks at a number seven or eight times where a list of it would be looked through to the end; the kernel
also walks the filter once for every call when it is installed (kernel/seccomp.c, seccomp_cache_prepare).
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.linux.seccomp import Argument

    Step = tuple[int, int, int, int]
    """Operation, constant, and where to go if it holds and if not: `_NEXT`, `_PASS` or `_FAIL`."""

# linux/bpf_common.h
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS, of struct seccomp_data
_AND = 0x54
_JUMP, _JEQ, _JGT, _JGE = 0x05, 0x15, 0x25, 0x35
_RETURN = 0x06

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_FARTHEST = 255  # a conditional jump is a byte
_BYTES = 8  # of an instruction

_NEXT, _PASS, _FAIL = range(3)
# The jump for the lower half, and whether the outcome is turned round.
_ORDERS = {"gt": (_JGT, False), "ge": (_JGE, False), "lt": (_JGE, True), "le": (_JGT, True)}

_pack = struct.Struct("=HBBI").pack

LOAD_NUMBER = _pack(_LOAD, 0, 0, _NUMBER)
LOAD_ARCHITECTURE = _pack(_LOAD, 0, 0, _ARCHITECTURE)


def answer(action: int) -> bytes:
    """Return this from the filter."""
    return _pack(_RETURN, 0, 0, action)


def only_if_equal(constant: int, block: bytes) -> bytes:
    """Run the block if the accumulator is this, and go on behind it otherwise."""
    return _pack(_JEQ, 1, 0, constant) + _jump(block) + block


def search(ranges: Sequence[tuple[int, bytes]]) -> bytes:
    """Run the block of the range that the accumulator is in; a range begins at its number and ends at the next one.

    A block has to return.
    """
    together = _search_of_shared(ranges)
    if together is not None:
        return together
    middle = len(ranges) // 2
    below, above = search(ranges[:middle]), search(ranges[middle:])
    return _pack(_JGE, 0, 1, ranges[middle][0]) + _jump(below) + below + above


def _jump(over: bytes) -> bytes:
    return _pack(_JUMP, 0, 0, len(over) // _BYTES)


def _search_of_shared(ranges: Sequence[tuple[int, bytes]]) -> bytes | None:
    """All comparisons and then every block once; None if that is too far for a jump."""
    place, places = len(ranges) - 1, {}
    blocks = sorted({block for _, block in ranges}, key=lambda block: (len(block), block))
    for block in blocks:
        places[block] = place
        place += len(block) // _BYTES
    if place - len(blocks[-1]) // _BYTES > _FARTHEST + 1:
        return None
    comparisons: list[bytes] = []
    _compare(ranges, places, comparisons)
    return b"".join([*comparisons, *blocks])


def _compare(ranges: Sequence[tuple[int, bytes]], places: dict[bytes, int], code: list[bytes]) -> None:
    """Append the comparison in the middle, those of the lower half and those of the upper half."""
    if len(ranges) == 1:
        return
    middle = len(ranges) // 2
    behind = len(code) + 1
    above = behind + middle - 1 if len(ranges) - middle > 1 else places[ranges[middle][1]]
    below = behind if middle > 1 else places[ranges[0][1]]
    code.append(_pack(_JGE, above - behind, below - behind, ranges[middle][0]))
    _compare(ranges[:middle], places, code)
    _compare(ranges[middle:], places, code)


def clause(tests: Sequence[Argument], action: int, *, narrow: bool) -> bytes:
    """Return the action if all tests hold, and go on behind this otherwise; ``narrow`` arguments have 32 bits."""
    placed: list[tuple[Step, int]] = []
    for test in tests:
        steps = _narrow_steps(test) if narrow else _steps(test)
        end = len(placed) + len(steps)
        placed += [(step, end) for step in steps]
    code = []
    for index, ((operation, constant, holds, fails), end) in enumerate(placed, start=1):
        distance = (0, end - index, len(placed) + 1 - index)  # of _NEXT, _PASS and _FAIL
        code.append(_pack(operation, distance[holds], distance[fails], constant))
    return b"".join(code) + answer(action)


def _steps(test: Argument) -> list[Step]:
    """A comparison of 64 bits by halves: BPF has 32."""
    low, high = _ARGUMENTS + 8 * test.index, _ARGUMENTS + 8 * test.index + 4  # little-endian, as all machines here
    if test.op == "masked_eq":
        return [*_masked(high, test.value >> 32, test.value_two >> 32), *_masked(low, test.value, test.value_two)]
    upper, lower = test.value >> 32, test.value & 0xFFFFFFFF
    if test.op in _ORDERS:
        jump, turned = _ORDERS[test.op]
        yes, no = (_FAIL, _PASS) if turned else (_PASS, _FAIL)
        return [_load(high), (_JGT, upper, yes, _NEXT), (_JEQ, upper, _NEXT, no), _load(low), (jump, lower, yes, no)]
    yes, no = (_PASS, _FAIL) if test.op == "eq" else (_FAIL, _PASS)
    return [_load(high), (_JEQ, upper, _NEXT, no), _load(low), (_JEQ, lower, yes, no)]


def _narrow_steps(test: Argument) -> list[Step]:
    """A comparison of the lower half, with the lower half of the constant, as libseccomp has it."""
    low, constant = _ARGUMENTS + 8 * test.index, test.value & 0xFFFFFFFF
    if test.op == "masked_eq":
        return _masked(low, test.value, test.value_two)
    jump, turned = _ORDERS.get(test.op, (_JEQ, test.op == "ne"))
    return [_load(low), (jump, constant, *((_FAIL, _PASS) if turned else (_PASS, _FAIL)))]


def _masked(offset: int, mask: int, wanted: int) -> list[Step]:
    mask &= 0xFFFFFFFF
    return [_load(offset), (_AND, mask, _NEXT, _NEXT), (_JEQ, wanted & mask, _NEXT, _FAIL)]


def _load(offset: int) -> Step:
    return _LOAD, offset, _NEXT, _NEXT
