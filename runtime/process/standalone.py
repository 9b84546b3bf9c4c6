"""Start a child that is a program of its own made of system calls, and hear from it over a pipe until it executes.

What it says is two words at a time: the place of a call that failed and its errno, or 0 and the number of an event.
The end of the pipe is the end of the child, or its execve.
"""

from __future__ import annotations

import os
import struct

from runtime.linux import constants, elf, foreign, interpreter, signals, syscalls
from runtime.linux.program import (
    ANY_ERRNO,
    EXIT,
    FAILURE_REPORT,
    FAILURE_REPORT_BYTES,
    Assembly,
    Call,
    EntryOf,
    Failure,
    Memory,
    Vector,
)
from runtime.process.delivery import delivered
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.process.delivery import Delivery

_WORDS = struct.Struct("=2q")


def event(number: int, status_fd: int) -> Call:
    """Tell the parent that the child has come this far."""
    return Call("report", "write", (status_fd, Memory(_WORDS.pack(0, number)), _WORDS.size))


class Prepared(Value):
    """A program that is ready to be born; ``purposes`` are what its calls are for, by place in its memory."""

    assembly: Assembly
    purposes: dict[int, str]


def prepare(calls: tuple[Call, ...], status_fd: int) -> Prepared:
    """Compile the calls; every descriptor that they name must be inheritable."""
    report = Call("report", "write", (status_fd, FAILURE_REPORT, FAILURE_REPORT_BYTES), ANY_ERRNO)
    assembly = Assembly(calls, (report, *EXIT))
    return Prepared(assembly, {elf.DATA_BASE + place: what for place, what in assembly.purposes()})


def bear(
    prepared: Prepared,
    flags: int,
    cgroup_fd: int | None = None,
    delivery: Delivery | None = None,
    *,
    name: bytes = b"tare-init",
) -> tuple[int, int]:
    """A new process with these clone flags that makes the calls: its pid, and a pidfd.

    ``cgroup_fd`` is a version 2 group to be born in. With CLONE_PARENT it is a child of our parent. ``delivery`` is the
    one that is among the calls: then the process is the one that was born by it, unless it came to nothing. ``name`` is
    all of its command line.
    """
    pid, pidfd = _bear(prepared, flags, cgroup_fd, name)
    born = None if delivery is None else delivered(delivery, pidfd)
    if born is None:
        return pid, pidfd
    os.close(pidfd)
    if not flags & constants.CLONE_PARENT:
        os.waitpid(pid, 0)
    return born, os.pidfd_open(born)


def _bear(prepared: Prepared, flags: int, cgroup_fd: int | None, name: bytes) -> tuple[int, int]:
    pidfd = foreign.c_int(-1)
    args = syscalls.CloneArgs(
        flags=flags | constants.CLONE_PIDFD | (constants.CLONE_INTO_CGROUP if cgroup_fd is not None else 0),
        pidfd=foreign.addressof(pidfd),
        exit_signal=0 if flags & constants.CLONE_PARENT else signals.SIGCHLD,
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
        args.flags |= constants.CLONE_VM | constants.CLONE_VFORK | constants.CLONE_CLEAR_SIGHAND
        cloned = Call("clone", "clone", (Memory(bytes(args)), foreign.sizeof(args), EntryOf(EXIT[0])), leave_out=1)
        begin = interpreter.Program((
            cloned,
            Call("execute the container's init", "execveat",
                 (fd, b"", Vector((name,)), Vector(()), constants.AT_EMPTY_PATH)),
            Call("return", "return"),
        ))  # fmt: skip
        begin.execute()
        return begin.result(cloned)
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
