"""bpf(2), as far as device programs of control groups need it; errors are `OSError` (include/uapi/linux/bpf.h)."""

from __future__ import annotations

import os
import struct

from runtime.linux import foreign, syscalls
from runtime.linux.numbers import MACHINE

_SYS_BPF = {"x86_64": 321, "aarch64": 280}

_PROG_LOAD = 5
_PROG_ATTACH = 8
_PROG_DETACH = 9
_PROG_GET_FD_BY_ID = 13
_OBJ_GET_INFO_BY_FD = 15
_PROG_QUERY = 16

_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_F_ALLOW_MULTI = 2
_F_REPLACE = 4

INSTRUCTION_BYTES = 8
_LICENSE = b"Apache-2.0\0"
_MOST_ATTACHED = 64
"""BPF_CGROUP_MAX_PROGS of include/linux/bpf-cgroup.h."""
_INFO_BYTES = 80
_NAME = slice(64, 80)


def load_device_program(instructions: bytes, name: str) -> int:
    """A descriptor of the program, which the kernel has verified; ``name`` is at most 15 letters, digits and ``_``."""
    code = foreign.create_string_buffer(instructions, len(instructions))
    licence = foreign.create_string_buffer(_LICENSE)
    attributes = struct.pack(
        "=IIQQIIQII16sII",
        *(_PROG_TYPE_CGROUP_DEVICE, len(instructions) // INSTRUCTION_BYTES),
        *(foreign.addressof(code), foreign.addressof(licence)),
        *(0, 0, 0, 0, 0),  # no log, no kernel version, no flags
        *(name.encode(), 0, _CGROUP_DEVICE),
    )
    return _bpf(_PROG_LOAD, attributes)


def attach_device_program(directory_fd: int, program_fd: int, replaced_fd: int | None = None) -> None:
    """Beside those that are there, all of which must allow an access, or in the place of one of them."""
    flags = _F_ALLOW_MULTI | (0 if replaced_fd is None else _F_REPLACE)
    _bpf(_PROG_ATTACH, struct.pack("=IIIII", directory_fd, program_fd, _CGROUP_DEVICE, flags, replaced_fd or 0))


def detach_device_program(directory_fd: int, program_fd: int) -> None:
    """Take it away."""
    _bpf(_PROG_DETACH, struct.pack("=III", directory_fd, program_fd, _CGROUP_DEVICE))


def attached_device_programs(directory_fd: int) -> tuple[int, ...]:
    """The ids of those that are attached to this group itself."""
    ids = (foreign.c_uint32 * _MOST_ATTACHED)()
    attributes = struct.pack("=IIIIQI4x", directory_fd, _CGROUP_DEVICE, 0, 0, foreign.addressof(ids), len(ids))
    buffer = foreign.create_string_buffer(attributes, len(attributes))
    _call(_PROG_QUERY, buffer)
    (count,) = struct.unpack_from("=I", buffer.raw, 24)
    return tuple(ids[:count])


def open_program(number: int) -> int:
    """A descriptor of the program with this id."""
    return _bpf(_PROG_GET_FD_BY_ID, struct.pack("=I", number))


def program_name(program_fd: int) -> str:
    """As it was given to `load_device_program`."""
    info = foreign.create_string_buffer(_INFO_BYTES)
    _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", program_fd, len(info), foreign.addressof(info)))
    return info.raw[_NAME].rstrip(b"\0").decode(errors="replace")


def _bpf(command: int, attributes: bytes) -> int:
    return _call(command, foreign.create_string_buffer(attributes, len(attributes)))


def _call(command: int, buffer: foreign.Array[foreign.c_char]) -> int:
    if MACHINE not in _SYS_BPF:
        raise OSError(0, f"no system call numbers for architecture {MACHINE!r}")
    result = syscalls.raw(_SYS_BPF[MACHINE], command, foreign.addressof(buffer), len(buffer))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
