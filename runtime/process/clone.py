"""Start a child that makes a program's calls, and learn whether it got as far as execve.

The parent sleeps until the child has executed or died (CLONE_VFORK), so what it knows afterwards is final.
"""

from __future__ import annotations

import ctypes
import os

from runtime.linux import constants, interpreter, signals, syscalls
from runtime.linux.interpreter import Program
from runtime.linux.program import Failure
from runtime.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Call


class LaunchError(Exception):
    """A child did not get as far as execve; the message says at which call, and why."""


@value
class Child:
    """A child that has executed; ``pidfd`` belongs to whoever holds this."""

    pid: int
    pidfd: int


def spawn(calls: tuple[Call, ...], flags: int = 0, cgroup_fd: int | None = None, *, plain: bool = False) -> Child:
    """Make ``calls``, of which the last must be an execve, in a new process with these clone flags.

    ``cgroup_fd`` is a version 2 group to be born in. ``plain`` does without machine code. Raises `LaunchError` naming
    the call that failed; the dead child is reaped then.
    """
    program = Program(calls)
    pidfd = ctypes.c_int(-1)
    args = syscalls.CloneArgs(
        flags=flags | constants.CLONE_PIDFD | (constants.CLONE_INTO_CGROUP if cgroup_fd is not None else 0),
        pidfd=ctypes.addressof(pidfd),
        exit_signal=signals.SIGCHLD,
        cgroup=cgroup_fd or 0,
    )
    try:
        pid = interpreter.start(program, args, plain=plain)
    except OSError as error:
        raise LaunchError(f"clone: {(error.strerror or str(error)).lower()}") from error
    try:
        program.check()
    except Failure as failure:
        os.waitid(os.P_PIDFD, pidfd.value, os.WEXITED)
        os.close(pidfd.value)
        raise LaunchError(str(failure)) from failure
    return Child(pid, pidfd.value)
