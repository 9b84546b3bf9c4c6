"""Executes a compiled table of system calls in a child: by a few machine instructions, or, failing those, plainly.

The machine code is x86-64. Its child shares our memory until execve (CLONE_VM | CLONE_VFORK, as posix_spawn(3) does),
which saves copying page tables and faulting pages. It pushes nothing, so our stack is as it was when we go on. The
plain way forks as usual and makes the same calls from Python; it serves other architectures, and hosts that refuse
memory that is both written and executed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING

from runtime.linux import constants, syscalls
from runtime.linux.numbers import MACHINE
from runtime.linux.program import ALLOWED_WORD, ANY_ERRNO, CHECK, COPY, ENTRY_BYTES, RESULT_WORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.linux.program import Program

_WORDS = ENTRY_BYTES // 8
_FAILED = 127

# run(rdi: table, rsi: struct clone_args, rdx: its size) -> pid or -errno. To check it, write the bytes to a file and:
# objdump -D -b binary -m i386:x86-64 -M intel FILE
_X86_64 = bytes.fromhex(
    "4989f8"  # mov r8,rdi  ; the table, where the kernel leaves it alone
    "4889f7"  # mov rdi,rsi
    "4889d6"  # mov rsi,rdx
    "b8b3010000"  # mov eax,0x1b3  ; clone3
    "0f05"  # syscall
    "4885c0"  # test rax,rax
    "7401"  # je child
    "c3"  # ret  ; the parent, once the child has executed or died
    "4c89c3"  # child: mov rbx,r8
    "488b03"  # next: mov rax,[rbx]  ; the number
    "488b7b08"  # mov rdi,[rbx+0x8]  ; the arguments
    "488b7310"  # mov rsi,[rbx+0x10]
    "488b5318"  # mov rdx,[rbx+0x18]
    "4c8b5320"  # mov r10,[rbx+0x20]
    "4c8b4328"  # mov r8,[rbx+0x28]
    "4c8b4b30"  # mov r9,[rbx+0x30]
    "4883f8ff"  # cmp rax,-1  ; COPY
    "7433"  # je copy
    "4883f8fe"  # cmp rax,-2  ; CHECK
    "7436"  # je check
    "0f05"  # syscall
    "48894338"  # done: mov [rbx+0x38],rax  ; the result
    "4885c0"  # test rax,rax
    "791c"  # jns on
    "48f7d8"  # neg rax
    "483b4340"  # cmp rax,[rbx+0x40]  ; the errno that is no failure
    "7413"  # je on
    "48837b40ff"  # cmp qword [rbx+0x40],-1  ; ANY_ERRNO
    "740c"  # je on
    "bf7f000000"  # mov edi,0x7f
    "b8e7000000"  # mov eax,0xe7  ; exit_group
    "0f05"  # syscall
    "4883c348"  # on: add rbx,0x48
    "ebac"  # jmp next
    "4889d1"  # copy: mov rcx,rdx
    "f3a4"  # rep movsb
    "31c0"  # xor eax,eax
    "ebcc"  # jmp done
    "486307"  # check: movsxd rax,dword [rdi]
    "ebc7"  # jmp done
)


def _executable_page() -> mmap.mmap | None:
    """The machine code in memory; None where there is none, or where memory may not be executed."""
    if MACHINE != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(_X86_64)
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
    table = (ctypes.c_long * (_WORDS * program.length)).from_address(program.address)
    pid = syscalls.clone3(args)
    if pid == 0:
        _interpret(table, program.length)
        os._exit(_FAILED)
    return pid


def _interpret(table: ctypes.Array[ctypes.c_long], length: int) -> None:
    """What the machine code does, in Python. It returns only when a call failed."""
    for index in range(length):
        entry = index * _WORDS
        result = _make_call(table[entry], table[entry + 1 : entry + RESULT_WORD])
        table[entry + RESULT_WORD] = result
        if result < 0 and table[entry + ALLOWED_WORD] not in {-result, ANY_ERRNO}:
            return


def _make_call(number: int, arguments: list[int]) -> int:
    if number == COPY:
        ctypes.memmove(arguments[0], arguments[1], arguments[2])
        return 0
    if number == CHECK:
        return ctypes.c_int32.from_address(arguments[0]).value
    return syscalls.raw(number, *arguments)
