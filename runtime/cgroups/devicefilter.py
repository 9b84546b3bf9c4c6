"""The allowed device list on version 2: a BPF program that the kernel asks about every access.

The program goes through the rules from the last to the first. It keeps the accesses that no rule has decided yet: the
rule that allows the last of them allows, one that denies any of them denies, and what is left at the end is denied.
"""

from __future__ import annotations

import os
import struct

from runtime.cgroups.devices import effective_rules, is_total
from runtime.cgroups.hierarchy import CgroupError
from runtime.cgroups.limits import PATH
from runtime.linux import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.spec.resources import DeviceRule

NAME = "tare_devices"

# include/uapi/linux/bpf.h: struct bpf_cgroup_dev_ctx and what is in its access_type
ACCESS = {"m": 1, "r": 2, "w": 4}
TYPES = {"b": 1, "c": 2}
_EVERY_ACCESS = 7
_ACCESS_TYPE, _MAJOR, _MINOR = 0, 4, 8

# include/uapi/linux/bpf_common.h: class, size or operation, source
_LOAD_WORD = 0x61
_MOVE = 0xB7
_AND = 0x54
_COPY = 0xBC
_SHIFT_RIGHT = 0x74
_JUMP = 0x05
_JUMP_IF_NOT = 0x56
_JUMP_IF_ANY = 0x46
_EXIT = 0x95

_RESULT, _CONTEXT, _TYPE, _UNDECIDED, _MAJOR_IS, _MINOR_IS = range(6)
_DENY, _ALLOW = 0, 1
_U32 = 1 << 32


def compile_filter(rules: Sequence[DeviceRule]) -> bytes:
    """The program's instructions."""
    effective = effective_rules(rules)
    code = [
        _instruction(_LOAD_WORD, _TYPE, _CONTEXT, _ACCESS_TYPE),
        _instruction(_COPY, _UNDECIDED, _TYPE),
        _instruction(_SHIFT_RIGHT, _UNDECIDED, value=16),
        _instruction(_AND, _TYPE, value=0xFFFF),
        _instruction(_LOAD_WORD, _MAJOR_IS, _CONTEXT, _MAJOR),
        _instruction(_LOAD_WORD, _MINOR_IS, _CONTEXT, _MINOR),
        # Who asks whether a file is there asks for no access.
        _instruction(_JUMP_IF_NOT, _UNDECIDED, offset=2),
        *_answer(_ALLOW),
    ]
    for rule in reversed(effective):
        code += _rule(rule)
    if not is_total(effective[0]):
        code += _answer(_DENY)
    return b"".join(code)


def _rule(rule: DeviceRule) -> list[bytes]:
    if max(rule.major or 0, rule.minor or 0) >= _U32:
        return []  # no device has such a number
    decision = _decision(rule)
    conditions = [(_TYPE, TYPES.get(rule.type)), (_MAJOR_IS, rule.major), (_MINOR_IS, rule.minor)]
    asked = [(register, number) for register, number in conditions if number is not None]
    tests = [
        _instruction(_JUMP_IF_NOT, register, offset=len(asked) - 1 - index + len(decision), value=number)
        for index, (register, number) in enumerate(asked)
    ]
    return tests + decision


def _decision(rule: DeviceRule) -> list[bytes]:
    access = sum(ACCESS[letter] for letter in set(rule.access))
    if access == _EVERY_ACCESS:
        return _answer(_ALLOW if rule.allow else _DENY)
    if not rule.allow:
        return [
            _instruction(_JUMP_IF_ANY, _UNDECIDED, offset=1, value=access),
            _instruction(_JUMP, offset=2),
            *_answer(_DENY),
        ]
    return [
        _instruction(_AND, _UNDECIDED, value=_EVERY_ACCESS & ~access),
        _instruction(_JUMP_IF_NOT, _UNDECIDED, offset=2),
        *_answer(_ALLOW),
    ]


def _answer(result: int) -> list[bytes]:
    return [_instruction(_MOVE, _RESULT, value=result), _instruction(_EXIT)]


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """``struct bpf_insn``, on a little-endian machine."""
    return struct.pack("<BBhI", code, source << 4 | to, offset, value)


def attach_filter(directory: str, rules: Sequence[DeviceRule]) -> None:
    """Have the kernel ask the program about the group's processes, instead of the one that we attached before.

    At no time is there none: a new one takes the old one's place, or comes before the old ones go.
    """
    try:
        _attach(directory, compile_filter(rules))
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise CgroupError(f"{PATH}.devices: attach a BPF program to {directory}: {reason}") from error


def _attach(directory: str, code: bytes) -> None:
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    opened = [group]
    try:
        program = bpf.load_device_program(code, NAME)
        opened.append(program)
        old = _ours(group, opened)
        if len(old) == 1:
            bpf.attach_device_program(group, program, old[0])
            return
        bpf.attach_device_program(group, program)
        for one in old:
            bpf.detach_device_program(group, one)
    finally:
        for fd in opened:
            os.close(fd)


def _ours(group: int, opened: list[int]) -> list[int]:
    """Those that we have attached. Others stay: each can only deny more."""
    ours = []
    for number in bpf.attached_device_programs(group):
        fd = bpf.open_program(number)
        opened.append(fd)
        if bpf.program_name(fd) == NAME:
            ours.append(fd)
    return ours
