"""Start a child that makes a program's calls, and learn whether it got as far as execve.

The parent sleeps until the child has executed or died (CLONE_VFORK), so what it knows afterwards is final.
"""

from __future__ import annotations

import os
import struct

from runtime.linux import constants, signals
from runtime.linux.interpreter import Program
from runtime.linux.program import EXIT, Call, EntryOf, Failure, Memory
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument

# struct clone_args of clone3(2)
_CLONE_ARGS = struct.Struct("=11Q")
_PIDFD_AT = 8
CLONE_ARGS_CGROUP_AT = 80
# A child in our memory until it executes (as for posix_spawn(3)), and without our signal handlers.
_IN_OUR_MEMORY = constants.CLONE_VM | constants.CLONE_VFORK | constants.CLONE_CLEAR_SIGHAND | constants.CLONE_PIDFD


class LaunchError(Exception):
    """A child did not get as far as execve; the message says at which call, and why."""


class Child(Value):
    """A child that has executed; ``pidfd`` belongs to whoever holds this."""

    pid: int
    pidfd: int


class Birth:
    """The call that clones a child, and what it leaves; the child's ``calls`` come next in the program, then ours."""

    def __init__(self, calls: tuple[Call, ...], flags: int, cgroup_fd: int | None = None) -> None:
        self.pidfd = Memory(bytes(8))
        flags |= _IN_OUR_MEMORY | (constants.CLONE_INTO_CGROUP if cgroup_fd is not None else 0)
        content = _CLONE_ARGS.pack(flags, 0, 0, 0, signals.SIGCHLD, 0, 0, 0, 0, 0, cgroup_fd or 0)
        self.args = Memory(content, ((_PIDFD_AT, self.pidfd),))
        arguments: tuple[Argument, ...] = (self.args, _CLONE_ARGS.size, EntryOf(EXIT[0]))
        self.call = Call("clone", "clone", arguments, leave_out=len(calls))

    def child(self, program: Program) -> Child:
        """The one that an execution of the program has made."""
        return Child(program.result(self.call), int.from_bytes(program.content(self.pidfd)[:4], "little"))


def spawn(calls: tuple[Call, ...], flags: int = 0, cgroup_fd: int | None = None, *, plain: bool = False) -> Child:
    """Make ``calls``, of which the last must be an execve, in a new process with these clone flags.

    ``cgroup_fd`` is a version 2 group to be born in. ``plain`` does without machine code. Raises `LaunchError` naming
    the call that failed; the dead child is reaped then.
    """
    birth = Birth(calls, flags, cgroup_fd)
    return bear(Program((birth.call, *calls, Call("return", "return"))), birth, plain=plain)


def bear(program: Program, birth: Birth, *, plain: bool = False) -> Child:
    """Execute a program that makes one child. Raises `LaunchError` as `spawn` does."""
    try:
        program.execute(plain=plain)
    except Failure as failure:
        if program.succeeded(birth.call):
            dead = birth.child(program)
            os.waitid(os.P_PIDFD, dead.pidfd, os.WEXITED)
            os.close(dead.pidfd)
        raise LaunchError(str(failure)) from failure
    return birth.child(program)
