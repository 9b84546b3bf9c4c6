"""The smallest programs there are: one system call, whose result is the exit status. x86-64 only."""

from __future__ import annotations

import struct

_BASE = 0x400000
_HEADERS = 64 + 56
_REGISTERS = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9")  # rdi rsi rdx r10 r8 r9
_COMPAT_REGISTERS = (b"\xbb", b"\xb9", b"\xba", b"\xbe", b"\xbf", b"\xbd")  # ebx ecx edx esi edi ebp
_EXIT = b"\xb8\x3c\x00\x00\x00\x0f\x05"  # mov eax, 60; syscall

# test rax, rax; jns +6; neg eax; mov edi, eax; jmp +2; xor edi, edi
_ERRNO = b"\x48\x85\xc0\x79\x06\xf7\xd8\x89\xc7\xeb\x02\x31\xff"
_RESULT = b"\x89\xc7"  # mov edi, eax


def compat_program(number: int, *arguments: int) -> bytes:
    """The same for a call of 32-bit x86, which a 64-bit program makes by its gate: it exits with the errno."""
    code = b"".join(
        register + struct.pack("<I", argument & 0xFFFFFFFF)
        for register, argument in zip(_COMPAT_REGISTERS, arguments, strict=False)
    )
    code += b"\xb8" + struct.pack("<I", number) + b"\xcd\x80\x48\x63\xc0"  # mov eax, number; int 0x80; movsxd rax, eax
    return _header(len(code + _ERRNO + _EXIT)) + code + _ERRNO + _EXIT


def syscall_program(number: int, *arguments: int, result: bool = False) -> bytes:
    """An executable that makes the call and exits with its errno, 0 for success; or with its ``result``'s low byte."""
    code = b"".join(
        register + struct.pack("<Q", argument & 0xFFFFFFFFFFFFFFFF)
        for register, argument in zip(_REGISTERS, arguments, strict=False)
    )
    code += b"\x48\xb8" + struct.pack("<Q", number) + b"\x0f\x05"  # mov rax, number; syscall
    code += (_RESULT if result else _ERRNO) + _EXIT
    return _header(len(code)) + code


def interrupt_program(number: int, *arguments: int) -> bytes:
    """The same with the system call of 32-bit programs, int 0x80: of another architecture, as seccomp(2) has it."""
    registers = (b"\xbb", b"\xb9", b"\xba", b"\xbe", b"\xbf")  # ebx ecx edx esi edi
    code = b"".join(register + struct.pack("<I", word) for register, word in zip(registers, arguments, strict=False))
    code += b"\xb8" + struct.pack("<I", number) + b"\xcd\x80"  # mov eax, number; int 0x80
    code += b"\x48\x63\xc0" + _ERRNO + _EXIT  # movsxd rax, eax
    return _header(len(code)) + code


def _header(code_bytes: int) -> bytes:
    size = _HEADERS + code_bytes
    entry = _BASE + _HEADERS
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    file = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return file + segment
