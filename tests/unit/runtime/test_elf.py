"""A table of system calls as a program of its own."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import pytest

from runtime.linux import elf
from runtime.linux.program import Assembly, Call, Failure, Memory, Vector
from runtime.process.standalone import bear, close_all_but, event, prepare, receive

pytestmark = pytest.mark.skipif(not elf.is_supported(), reason="needs an x86-64 processor")
F_SETFD, FD_CLOEXEC = 2, 1


class Conversation:
    """A child of calls, and what it says."""

    def __init__(self, *calls: Call, flags: int = 0) -> None:
        self.reports, status = os.pipe()
        os.set_inheritable(status, True)
        cloexec = Call("close on exec", "fcntl", (status, F_SETFD, FD_CLOEXEC))
        built = tuple(event(int(str(call.args[0])), status) if call.name == "event" else call for call in calls)
        self.prepared = prepare((cloexec, *built), status)
        self.pid, self.pidfd = bear(self.prepared, flags)
        os.close(status)

    def next(self) -> int | None:
        return receive(self.reports, self.prepared.purposes)

    def end(self) -> int:
        os.close(self.reports)
        os.close(self.pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def say(number: int) -> Call:
    return Call("say", "event", (number,))


def execute(*argv: str) -> Call:
    return Call("execute it", "execve", (argv[0].encode(), Vector(tuple(map(str.encode, argv))), Vector(())))


def test_it_says_how_far_it_is_and_executes() -> None:
    child = Conversation(say(3), say(4), execute("/bin/sh", "-c", "exit 7"))
    assert [child.next(), child.next(), child.next()] == [3, 4, None]
    assert child.end() == 7


def test_it_says_what_failed_and_why() -> None:
    child = Conversation(say(1), execute("/nowhere"), say(2))
    assert child.next() == 1
    with pytest.raises(Failure, match="execute it: no such file or directory"):
        child.next()
    assert child.next() is None
    assert child.end() == 127


def test_it_weighs_kilobytes_and_nobody_can_change_it() -> None:
    here, there = os.pipe()
    os.set_inheritable(here, True)
    child = Conversation(say(1), Call("wait", "read", (here, Memory(bytes(8)), 1)), execute("/bin/true"))
    assert child.next() == 1
    exe = os.open(f"/proc/{child.pid}/exe", os.O_RDONLY)
    seals = fcntl.fcntl(exe, fcntl.F_GET_SEALS)
    assert seals & fcntl.F_SEAL_WRITE
    assert seals & fcntl.F_SEAL_SEAL
    resident = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert resident < 200_000
    os.write(there, b"\0")
    assert child.next() is None
    for fd in (here, there, exe):
        os.close(fd)
    assert child.end() == 0


def test_code_cannot_be_written_and_data_cannot_be_executed() -> None:
    image = elf.static_elf(Assembly((execute("/bin/true"),)))
    offset, size, count = struct.unpack_from("<Q", image, 32)[0], *struct.unpack_from("<HH", image, 54)
    flags = [struct.unpack_from("<II", image, offset + index * size) for index in range(count)]
    assert all(not (flag & 1 and flag & 2) for _, flag in flags)
    assert len(flags) == 3


def test_only_the_kept_descriptors_are_left_open() -> None:
    kept = [os.dup(0) for _ in range(4)]
    try:
        calls = close_all_but((kept[1], kept[3]), kept[0])
        ranges = [call.args[:2] for call in calls]
        assert ranges == [(kept[0], kept[1] - 1), (kept[1] + 1, kept[3] - 1), (kept[3] + 1, 0xFFFFFFFF)]
    finally:
        for fd in kept:
            os.close(fd)
