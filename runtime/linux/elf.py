"""A table of system calls as a program of its own: a static ELF executable of a few kilobytes (elf(5)).

It is executed by descriptor from a sealed file in memory. So the process that waits in a new container for its start
has no interpreter, no library and no file of the host in it, and what ``/proc/self/exe`` leads to can be written by
nobody (CVE-2019-5736).
"""

from __future__ import annotations

import fcntl
import os
import struct

from runtime.linux.interpreter import INTERPRET
from runtime.linux.numbers import MACHINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Assembly

CODE_BASE = 0x400000
DATA_BASE = 0x20000000
_PAGE = 4096
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_IDENTITY = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
_EXECUTABLE, _X86_64, _LOAD, _STACK = 2, 62, 1, 0x6474E551
_READ, _WRITE, _EXECUTE = 4, 2, 1
_HEADERS_BYTES = _HEADER.size + 3 * _SEGMENT.size

_MFD_EXEC = 0x10  # linux/memfd.h, 6.3: asked for, because sysctl vm.memfd_noexec may make the opposite the default
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def is_supported() -> bool:
    """Whether there is machine code for this processor."""
    return MACHINE == "x86_64"


def static_elf(assembly: Assembly) -> bytes:
    """The executable: one page of headers and code, which nobody may write, and the table, which nobody may execute."""
    # mov r12d, DATA_BASE: where the interpreter wants the table's address.
    code = b"\x41\xbc" + struct.pack("<I", DATA_BASE) + INTERPRET
    header = _HEADER.pack(
        _IDENTITY, _EXECUTABLE, _X86_64, 1, CODE_BASE + _HEADERS_BYTES, _HEADER.size, 0, 0,
        _HEADER.size, _SEGMENT.size, 3, 0, 0, 0,
    )  # fmt: skip
    text_bytes = _HEADERS_BYTES + len(code)
    segments = (
        _SEGMENT.pack(_LOAD, _READ | _EXECUTE, 0, CODE_BASE, CODE_BASE, text_bytes, text_bytes, _PAGE),
        _SEGMENT.pack(_LOAD, _READ | _WRITE, _PAGE, DATA_BASE, DATA_BASE, len(assembly), len(assembly), _PAGE),
        _SEGMENT.pack(_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16),
    )
    text = header + b"".join(segments) + code
    return text.ljust(_PAGE, b"\0") + assembly.at(DATA_BASE)


def sealed_file(name: str, content: bytes) -> int:
    """A descriptor of a file in memory that holds this and can never be changed (memfd_create(2))."""
    fd = _memfd(name)
    try:
        os.write(fd, content)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _memfd(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError:  # an older kernel
        return os.memfd_create(name, flags)
