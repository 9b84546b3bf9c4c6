"""Fork a child into namespaces, and learn whether it got as far as execve.

The parent sleeps until the child has executed or died (CLONE_VFORK), so what the parent knows afterwards is final:
the child's last words in the pipe, or silence, which means that execve closed it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.linux import constants, syscalls

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED = 127
_WORDS = 4096  # of PIPE_BUF, so that they arrive whole


class LaunchError(Exception):
    """A child did not get as far as execve; the message says at which step, and why."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child that has executed; ``pidfd`` belongs to whoever holds this."""

    pid: int
    pidfd: int


def spawn(child: Callable[[Callable[[str], None]], None], flags: int = 0, cgroup_fd: int | None = None) -> Child:
    """Run ``child`` in a new process; it must end in execve, and names each step that it is about to take.

    Raises `LaunchError` with the child's own words where it failed; the dead child is reaped.
    """
    words, last_words = os.pipe()
    pidfd = ctypes.c_int(-1)
    into_cgroup = constants.CLONE_INTO_CGROUP if cgroup_fd is not None else 0
    args = syscalls.CloneArgs(
        flags=flags | constants.CLONE_VFORK | constants.CLONE_PIDFD | into_cgroup,
        pidfd=ctypes.addressof(pidfd),
        exit_signal=signal.SIGCHLD,
        cgroup=cgroup_fd or 0,
    )
    try:
        pid = _clone(args)
        if pid == 0:
            _run(child, last_words)
    finally:
        os.close(last_words)
    with open(words, "rb", buffering=0) as pipe:
        message = pipe.read(_WORDS)
    if message:
        os.waitpid(pid, 0)
        os.close(pidfd.value)
        raise LaunchError(message.decode(errors="replace"))
    return Child(pid, pidfd.value)


def _clone(args: syscalls.CloneArgs) -> int:
    try:
        return syscalls.clone3(args)
    except OSError as error:
        raise LaunchError(f"clone: {error.strerror}") from error


def _run(child: Callable[[Callable[[str], None]], None], last_words: int) -> None:
    """The child's whole life. It never returns into the parent's code."""
    step = "start"

    def at(name: str) -> None:
        nonlocal step
        step = name

    try:
        child(at)
        raise OSError(0, "returned without execve")  # noqa: TRY301 - reported like every other failure
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        with contextlib.suppress(OSError):
            os.write(last_words, f"{step}: {reason}".encode()[:_WORDS])
    os._exit(_FAILED)
