"""Executes a compiled table of system calls in a child: by a few machine instructions, or, failing those, plainly.

The machine code is x86-64. Its child shares our memory until execve (CLONE_VM | CLONE_VFORK, as posix_spawn(3) does),
which saves copying page tables and faulting pages. It pushes nothing, so our stack is as it was when we go on. The
plain way forks as usual and makes the same calls from Python; it serves other architectures, and hosts that refuse
memory that is both written and executed.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct

from runtime.linux import constants, foreign, syscalls
from runtime.linux.numbers import MACHINE
from runtime.linux.program import (
    ALLOWED_WORD,
    CHECK,
    CLONE,
    COPY,
    ENTRY_BYTES,
    HEADER_BYTES,
    ON_FAILURE_WORD,
    ON_SUCCESS_WORD,
    REFUSE,
    RESULT_WORD,
    RETURN,
    RETURN_OR_EXIT,
    Assembly,
    Call,
    EntryOf,
    Failure,
    ResultOf,
    is_allowed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.linux.program import Memory, Slot

_WORDS = ENTRY_BYTES // 8

# run(rdi: table), for a table that ends with RETURN. Its child pushes nothing, so our stack is as it was when we go on.
# To check the code, write the bytes to a file and: objdump -D -b binary -m i386:x86-64 -M intel FILE
_RUN = bytes.fromhex(
    "53"  # push rbx
    "4154"  # push r12
    "4989fc"  # mov r12,rdi
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
    "7458"  # je copy
    "4883f8fe"  # cmp rax,-2  ; CHECK
    "745b"  # je check
    "4883f8fd"  # cmp rax,-3  ; REFUSE
    "745a"  # je refuse
    "4883f8fc"  # cmp rax,-4  ; CLONE
    "7461"  # je clone
    "4883f8fb"  # cmp rax,-5  ; RETURN
    "7475"  # je return
    "0f05"  # syscall
    "48894338"  # done: mov [rbx+0x38],rax  ; the result
    "4885c0"  # test rax,rax
    "7806"  # js bad
    "48035b48"  # add rbx,[rbx+0x48]  ; on to the entry after success
    "ebb6"  # jmp next
    "48f7d8"  # bad: neg rax
    "488b4b40"  # mov rcx,[rbx+0x40]  ; the errnos that are no failure
    "4883f9ff"  # cmp rcx,-1  ; all
    "740c"  # je allowed
    "4883f83f"  # cmp rax,63
    "770c"  # ja failed
    "480fa3c1"  # bt rcx,rax
    "7306"  # jae failed
    "48035b50"  # allowed: add rbx,[rbx+0x50]  ; on to the entry after such an errno
    "eb97"  # jmp next
    "49891c24"  # failed: mov [r12],rbx  ; which entry
    "4989442408"  # mov [r12+0x8],rax  ; and why
    "498b5c2410"  # mov rbx,[r12+0x10]  ; on to the entries for that case
    "eb87"  # jmp next
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
    "b8b3010000"  # clone: mov eax,0x1b3  ; clone3
    "0f05"  # syscall
    "4885c0"  # test rax,rax
    "759b"  # jne done  ; the parent, once the child has executed or died
    "4989542410"  # mov [r12+0x10],rdx  ; where the child goes on after a failure
    "4883c358"  # add rbx,0x58  ; the child's first entry
    "e952ffffff"  # jmp next
    "415c"  # return: pop r12
    "5b"  # pop rbx
    "c3"  # ret
)
"""Executes the table whose address is in r12; it returns where the table says so."""


class Program:
    """Calls, compiled to memory of ours; can be executed any number of times, each with other bytes in its slots."""

    def __init__(self, calls: tuple[Call, ...]) -> None:
        self.assembly = Assembly(calls, RETURN_OR_EXIT)
        # Shared, so that a child with a memory of its own can still leave its results to us.
        self._memory = mmap.mmap(-1, len(self.assembly))
        self.address = foreign.addressof(foreign.c_char.from_buffer(self._memory))
        self._memory.write(self.assembly.at(self.address))
        self._header = self._memory[:HEADER_BYTES]

    def put(self, slot: Slot, content: bytes) -> None:
        """Fill a slot; raises `ValueError` for what does not fit."""
        for place, filling in self.assembly.fillings(slot, content):
            self._memory[place : place + len(filling)] = filling

    def execute(self, *, plain: bool = False) -> None:
        """Make the calls; ``plain`` does without machine code. Raises the `Failure` of the one that ended it."""
        self._memory[:HEADER_BYTES] = self._header
        if plain or _run_machine_code is None:
            interpret(self.address)
        else:
            _run_machine_code(self.address)
        place, number = struct.unpack_from("=2q", self._memory)
        if place:
            place -= self.address
            slot = self.assembly.about(place)
            what = dict(self.assembly.purposes())[place]
            raise Failure(what if slot is None else f"{what} {os.fsdecode(self._string(slot))}", number)

    def succeeded(self, call: Call) -> bool:
        """Whether the last execution came past this call; one that it left out counts."""
        place: int = struct.unpack_from("=q", self._memory)[0]
        return place == 0 or self.assembly.place(EntryOf(call)) < place - self.address

    def result(self, call: Call) -> int:
        """Of a call that was made."""
        result: int = struct.unpack_from("=q", self._memory, self.assembly.place(ResultOf(call)))[0]
        return result

    def content(self, memory: Memory) -> bytes:
        """What calls have left there."""
        place = self.assembly.place(memory)
        return self._memory[place : place + len(memory.content)]

    def _string(self, slot: Slot) -> bytes:
        return self.content(slot).partition(b"\0")[0]


def _executable_page() -> mmap.mmap | None:
    """The machine code in memory; None where there is none, or where memory may not be executed."""
    if MACHINE != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(_RUN + INTERPRET)
    return page


def _function(page: mmap.mmap) -> Callable[[int], None]:
    # PYFUNCTYPE keeps the interpreter lock: while the child lives in our memory nothing else of ours may run.
    prototype = foreign.PYFUNCTYPE(None, foreign.c_void_p)
    return prototype(foreign.addressof(foreign.c_char.from_buffer(page)))


_PAGE = _executable_page()  # mapped as long as this module is
_run_machine_code = None if _PAGE is None else _function(_PAGE)


def perform(calls: tuple[Call, ...]) -> tuple[int, ...]:
    """Make the calls in the calling process; their results. Raises the `Failure` of one that failed."""
    program = Program((*calls, Call("return", "return")))
    program.execute()
    return tuple(map(program.result, calls))


def fork(assembly: Assembly, args: syscalls.CloneArgs, base: int) -> int:
    """Clone a child with a memory of its own that makes the calls from Python; its pid.

    Failures are reported as if the table were at ``base``.
    """
    table = foreign.create_string_buffer(len(assembly))
    address = foreign.addressof(table)
    table.raw = assembly.at(address)
    args.flags |= constants.CLONE_CLEAR_SIGHAND
    pid = syscalls.clone3(args)
    if pid == 0:
        interpret(address, base)
    return pid


def interpret(address: int, base: int | None = None) -> None:
    """What the machine code does, in Python. The child of a clone has a copy of our memory, never our own.

    A failure is reported as if the table were at ``base``.
    """
    told = address if base is None else base
    header = (foreign.c_long * (HEADER_BYTES // 8)).from_address(address)
    place = address + HEADER_BYTES
    while True:
        entry = (foreign.c_long * _WORDS).from_address(place)
        if entry[0] == RETURN:
            return
        result = _make_call(entry[0], entry[1:RESULT_WORD])
        if entry[0] == CLONE and result == 0:
            header[2] = entry[3]
            place += ENTRY_BYTES
            continue
        entry[RESULT_WORD] = result
        if result >= 0:
            place += entry[ON_SUCCESS_WORD]
        elif is_allowed(entry[ALLOWED_WORD], -result):
            place += entry[ON_FAILURE_WORD]
        else:
            header[0], header[1] = place - address + told, -result
            place = header[2]


def _make_call(number: int, arguments: list[int]) -> int:
    if number == COPY:
        _bytes_at(arguments[0], arguments[2]).raw = _bytes_at(arguments[1], arguments[2]).raw
        return 0
    if number == CHECK:
        return foreign.c_int32.from_address(arguments[0]).value
    if number == REFUSE:
        return -errno.EPERM if foreign.c_int32.from_address(arguments[0]).value == arguments[1] else 0
    if number == CLONE:
        args = syscalls.CloneArgs.from_buffer_copy(_bytes_at(arguments[0], arguments[1]).raw)
        args.flags &= ~constants.CLONE_VM
        return syscalls.raw(syscalls.CLONE3, foreign.addressof(args), foreign.sizeof(args))
    return syscalls.raw(number, *arguments)


def _bytes_at(address: int, count: int) -> foreign.Array[foreign.c_char]:
    return (foreign.c_char * count).from_address(address)
