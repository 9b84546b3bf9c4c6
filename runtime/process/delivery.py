"""A process that is born in a pid namespace where others are already, who may look at it, trace it and open what it
executes (ptrace(2), CVE-2019-5736).

So nothing that is ours is ever there to be looked at: neither our memory, which a child shares until it executes, nor
our executable. The sealed program executes outside, joins the other namespaces, and has itself be born again inside,
as a child of whoever had it (CLONE_PARENT); that one is told the pid over a pipe.
"""

from __future__ import annotations

import os
import select
import struct

from runtime.linux import constants as c
from runtime.linux.program import Call, Memory, ResultOf
from runtime.linux.syscalls import CloneArgs
from runtime.unwinding import contextmanager
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PID = struct.Struct("=q")


class Delivery(Value):
    """Where it takes place, by a descriptor, and the pipe: our end, and the one that the program writes to."""

    namespace_fd: int
    told_fd: int
    tell_fd: int


@contextmanager
def delivery_into(namespace_fd: int) -> Iterator[Delivery]:
    """``namespace_fd``, inheritable, is of a pid namespace or of a process in it."""
    told_fd, tell_fd = os.pipe()
    os.set_inheritable(tell_fd, True)  # noqa: FBT003 - the standard library's own
    try:
        yield Delivery(namespace_fd, told_fd, tell_fd)
    finally:
        os.close(told_fd)
        os.close(tell_fd)


def plan_delivery(delivery: Delivery) -> tuple[Call, ...]:
    """The calls that follow are the new process's; the one that had it has told its pid, and ends."""
    born = Call("be born in the pid namespace", "clone3", (Memory(bytes(CloneArgs(flags=c.CLONE_PARENT))), _ARGS_BYTES))
    had = (
        Call("tell the pid", "write", (delivery.tell_fd, ResultOf(born), _PID.size)),
        Call("end", "exit_group", (0,)),
    )
    return (
        Call("join the pid namespace", "setns", (delivery.namespace_fd, c.CLONE_NEWPID)),
        born,
        # clone3(2) returns 0 to the child, whose place in the table is behind these.
        Call("see who this is", "refuse", (ResultOf(born), 0), (c.EPERM,), otherwise=len(had)),
        *had,
        Call("close a descriptor", "close", (delivery.tell_fd,)),
    )


_ARGS_BYTES = len(bytes(CloneArgs()))


def delivered(delivery: Delivery, pidfd: int) -> int | None:
    """The pid, once the process that ``pidfd`` names has ended; None if that had none and so reported a failure."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
    os.set_blocking(delivery.told_fd, False)
    try:
        (pid,) = _PID.unpack(os.read(delivery.told_fd, _PID.size))
    except BlockingIOError:
        return None
    return int(pid)
