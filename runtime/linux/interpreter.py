"""Executes a compiled table of system calls in a child: by a few machine instructions, or, failing those, plainly.

The machine code is x86-64. Its child shares our memory until execve (CLONE_VM | CLONE_VFORK, as posix_spawn(3) does),
which saves copying page tables and faulting pages. It pushes nothing, so our stack is as it was when we go on. The
plain way forks as usual and makes the same calls from Python; it serves other architectures, and hosts that refuse
memory that is both written and executed.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct

from runtime.linux import constants, syscalls
from runtime.linux.numbers import MACHINE
from runtime.linux.program import (
    ALLOWED_WORD,
    CHECK,
    COPY,
    ENTRY_BYTES,
    HEADER_BYTES,
    ON_FAILURE_WORD,
    ON_SUCCESS_WORD,
    REFUSE,
    RESULT_WORD,
    Assembly,
    Failure,
    is_allowed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.linux.program import Call

_WORDS = ENTRY_BYTES // 8

# run(rdi: table, rsi: struct clone_args, rdx: its size) -> pid or -errno. To check it, write the bytes to a file and:
# objdump -D -b binary -m i386:x86-64 -M intel FILE
_CLONE = bytes.fromhex(
    "4989f8"  # mov r8,rdi  ; the table, where the kernel leaves it alone
    "4889f7"  # mov rdi,rsi
    "4889d6"  # mov rsi,rdx
    "b8b3010000"  # mov eax,0x1b3  ; clone3
    "0f05"  # syscall
    "4885c0"  # test rax,rax
    "7401"  # je child
    "c3"  # ret  ; the parent, once the child has executed or died
    "4d89c4"  # child: mov r12,r8
)
INTERPRET = bytes.fromhex(
    "498d5c2418"  # lea rbx,[r12+0x18]  ; the first entry
    "488b03"  # next: mov rax,[rbx]  ; the number
    "488b7b08"  # mov rdi,[rbx+0x8]  ; the arguments
    "488b7310"  # mov rsi,[rbx+0x10]
    "488b5318"  # mov rdx,[rbx+0x18]
    "4c8b5320"  # mov r10,[rbx+0x20]
    "4c8b4328"  # mov r8,[rbx+0x28]
    "4c8b4b30"  # mov r9,[rbx+0x30]
    "4883f8ff"  # cmp rax,-1  ; COPY
    "744c"  # je copy
    "4883f8fe"  # cmp rax,-2  ; CHECK
    "744f"  # je check
    "4883f8fd"  # cmp rax,-3  ; REFUSE
    "744e"  # je refuse
    "0f05"  # syscall
    "48894338"  # done: mov [rbx+0x38],rax  ; the result
    "4885c0"  # test rax,rax
    "7806"  # js bad
    "48035b48"  # add rbx,[rbx+0x48]  ; on to the entry after success
    "ebc2"  # jmp next
    "48f7d8"  # bad: neg rax
    "488b4b40"  # mov rcx,[rbx+0x40]  ; the errnos that are no failure
    "4883f9ff"  # cmp rcx,-1  ; all
    "740c"  # je allowed
    "4883f83f"  # cmp rax,63
    "770c"  # ja failed
    "480fa3c1"  # bt rcx,rax
    "7306"  # jae failed
    "48035b50"  # allowed: add rbx,[rbx+0x50]  ; on to the entry after such an errno
    "eba3"  # jmp next
    "49891c24"  # failed: mov [r12],rbx  ; which entry
    "4989442408"  # mov [r12+0x8],rax  ; and why
    "498b5c2410"  # mov rbx,[r12+0x10]  ; on to the entries for that case
    "eb93"  # jmp next
    "4889d1"  # copy: mov rcx,rdx
    "f3a4"  # rep movsb
    "31c0"  # xor eax,eax
    "ebb9"  # jmp done
    "486307"  # check: movsxd rax,dword [rdi]
    "ebb4"  # jmp done
    "31c0"  # refuse: xor eax,eax
    "8b0f"  # mov ecx,[rdi]
    "39f1"  # cmp ecx,esi
    "75ac"  # jne done
    "48ffc8"  # dec rax  ; -EPERM
    "eba7"  # jmp done
)
"""Executes the table whose address is in r12; it never returns."""


class Program:
    """Calls, compiled to memory of ours: ``address`` is the table's, `check` tells afterwards where it ended."""

    def __init__(self, calls: tuple[Call, ...]) -> None:
        self._assembly = Assembly(calls)
        # Shared, so that a child with a memory of its own can still leave its results to us.
        self._memory = mmap.mmap(-1, len(self._assembly))
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._memory.write(self._assembly.at(self.address))

    def check(self) -> None:
        """Raise the `Failure` that ended it; return if every call that was made succeeded."""
        failed, number = struct.unpack_from("=2q", self._memory)
        if failed:
            raise Failure(dict(self._assembly.purposes())[failed - self.address], number)


def _executable_page() -> mmap.mmap | None:
    """The machine code in memory; None where there is none, or where memory may not be executed."""
    if MACHINE != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(_CLONE + INTERPRET)
    return page


def _function(page: mmap.mmap) -> Callable[[int, int, int], int]:
    # PYFUNCTYPE keeps the interpreter lock: while the child lives in our memory nothing else of ours may run.
    prototype = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    return prototype(ctypes.addressof(ctypes.c_char.from_buffer(page)))


_PAGE = _executable_page()  # mapped as long as this module is
_run_machine_code = None if _PAGE is None else _function(_PAGE)


def start(program: Program, args: syscalls.CloneArgs, *, plain: bool = False) -> int:
    """Clone a child that makes the program's calls; its pid, once it has executed or died. Raises `OSError`."""
    if plain or _run_machine_code is None:
        return _start_plainly(program, args)
    args.flags |= constants.CLONE_VM | constants.CLONE_VFORK | constants.CLONE_CLEAR_SIGHAND
    pid = _run_machine_code(program.address, ctypes.addressof(args), ctypes.sizeof(args))
    if pid < 0:
        raise OSError(-pid, os.strerror(-pid))
    return pid


def _start_plainly(program: Program, args: syscalls.CloneArgs) -> int:
    args.flags |= constants.CLONE_VFORK | constants.CLONE_CLEAR_SIGHAND
    pid = syscalls.clone3(args)
    if pid == 0:
        interpret(program.address)
    return pid


def perform(calls: tuple[Call, ...]) -> tuple[int, ...]:
    """Make the calls in the calling process; their results. Raises the `Failure` of one that failed."""
    assembly = Assembly(calls)
    table = ctypes.create_string_buffer(len(assembly))
    address = ctypes.addressof(table)
    table.raw = assembly.at(address)
    purposes = dict(assembly.purposes())
    place, end = HEADER_BYTES, assembly.end
    while place < end:
        place = _perform_one(address, place, purposes)
    return tuple(ctypes.c_long.from_address(address + place + RESULT_WORD * 8).value for place in assembly.places)


def _perform_one(address: int, place: int, purposes: dict[int, str]) -> int:
    entry = (ctypes.c_long * _WORDS).from_address(address + place)
    result = _make_call(entry[0], entry[1:RESULT_WORD])
    entry[RESULT_WORD] = result
    if result >= 0:
        return place + entry[ON_SUCCESS_WORD]
    if is_allowed(entry[ALLOWED_WORD], -result):
        return place + entry[ON_FAILURE_WORD]
    raise Failure(purposes[place], -result)


def fork(assembly: Assembly, args: syscalls.CloneArgs, base: int) -> int:
    """Clone a child with a memory of its own that makes the calls from Python; its pid.

    Failures are reported as if the table were at ``base``.
    """
    table = ctypes.create_string_buffer(len(assembly))
    address = ctypes.addressof(table)
    table.raw = assembly.at(address)
    args.flags |= constants.CLONE_CLEAR_SIGHAND
    pid = syscalls.clone3(args)
    if pid == 0:
        interpret(address, base)
    return pid


def interpret(address: int, base: int | None = None) -> None:
    """What the machine code does, in Python, for the calling process. It never returns.

    A failure is reported as if the table were at ``base``.
    """
    told = address if base is None else base
    header = (ctypes.c_long * (HEADER_BYTES // 8)).from_address(address)
    place = address + HEADER_BYTES
    while True:
        entry = (ctypes.c_long * _WORDS).from_address(place)
        result = _make_call(entry[0], entry[1:RESULT_WORD])
        entry[RESULT_WORD] = result
        if result >= 0:
            place += entry[ON_SUCCESS_WORD]
        elif is_allowed(entry[ALLOWED_WORD] , -result):
            place += entry[ON_FAILURE_WORD]
        else:
            header[0], header[1] = place - address + told, -result
            place = header[2]


def _make_call(number: int, arguments: list[int]) -> int:
    if number == COPY:
        ctypes.memmove(arguments[0], arguments[1], arguments[2])
        return 0
    if number == CHECK:
        return ctypes.c_int32.from_address(arguments[0]).value
    if number == REFUSE:
        return -errno.EPERM if ctypes.c_int32.from_address(arguments[0]).value == arguments[1] else 0
    return syscalls.raw(number, *arguments)
