"""Start a child that is a program of its own made of system calls, and hear from it over a pipe until it executes.

What it says is two words at a time: the place of a call that failed and its errno, or 0 and the number of an event.
The end of the pipe is the end of the child, or its execve.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import TYPE_CHECKING

from runtime.linux import constants, elf, interpreter, syscalls
from runtime.linux.program import (
    ANY_ERRNO,
    EXIT,
    FAILURE_REPORT,
    FAILURE_REPORT_BYTES,
    Assembly,
    Call,
    Failure,
    Memory,
    Vector,
)
from runtime.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = struct.Struct("=2q")


def event(number: int, status_fd: int) -> Call:
    """Tell the parent that the child has come this far."""
    return Call("report", "write", (status_fd, Memory(_WORDS.pack(0, number)), _WORDS.size))


@value
class Prepared:
    """A program that is ready to be born; ``purposes`` are what its calls are for, by place in its memory."""

    assembly: Assembly
    purposes: dict[int, str]


def prepare(calls: tuple[Call, ...], status_fd: int) -> Prepared:
    """Compile the calls; every descriptor that they name must be inheritable."""
    report = Call("report", "write", (status_fd, FAILURE_REPORT, FAILURE_REPORT_BYTES), ANY_ERRNO)
    assembly = Assembly(calls, (report, *EXIT))
    return Prepared(assembly, {elf.DATA_BASE + place: what for place, what in assembly.purposes()})


def bear(
    prepared: Prepared, flags: int, cgroup_fd: int | None = None, *, name: bytes = b"tare-init"
) -> tuple[int, int]:
    """A new process with these clone flags that makes the calls: its pid, and a pidfd.

    ``cgroup_fd`` is a version 2 group to be born in. With CLONE_PARENT it is a child of our parent. ``name`` is all of
    its command line.
    """
    pidfd = ctypes.c_int(-1)
    args = syscalls.CloneArgs(
        flags=flags | constants.CLONE_PIDFD | (constants.CLONE_INTO_CGROUP if cgroup_fd is not None else 0),
        pidfd=ctypes.addressof(pidfd),
        exit_signal=0 if flags & constants.CLONE_PARENT else signal.SIGCHLD,
        cgroup=cgroup_fd or 0,
    )
    if elf.is_supported():
        pid = _execute(elf.static_elf(prepared.assembly), args, name)
    else:
        pid = interpreter.fork(prepared.assembly, args, elf.DATA_BASE)
    return pid, pidfd.value


def _execute(program: bytes, args: syscalls.CloneArgs, name: bytes) -> int:
    """Clone a child that does nothing but execute the program."""
    fd = elf.sealed_file("tare-init", program)
    try:
        begin = interpreter.Program((
            Call("execute the container's init", "execveat",
                 (fd, b"", Vector((name,)), Vector(()), constants.AT_EMPTY_PATH)),
        ))  # fmt: skip
        pid = interpreter.start(begin, args)
        begin.check()
        return pid
    finally:
        os.close(fd)


def receive(status_fd: int, purposes: dict[int, str]) -> int | None:
    """The next event, None at the end of the pipe; raises the `Failure` that the child reports."""
    words = b""
    while len(words) < _WORDS.size:
        read = os.read(status_fd, _WORDS.size - len(words))
        if not read:
            return None
        words += read
    place, number = _WORDS.unpack(words)
    if place:
        raise Failure(purposes.get(place, "start the process"), number)
    return int(number)


def close_all_but(keep: Iterable[int], first: int) -> tuple[Call, ...]:
    """Close every descriptor from ``first`` on, but for these."""
    calls = []
    for fd in sorted(keep):
        if fd > first:
            calls.append(Call("close descriptors", "close_range", (first, fd - 1, 0)))
        first = fd + 1
    return (*calls, Call("close descriptors", "close_range", (first, 0xFFFFFFFF, 0)))
