"""Start a further process in a running container: join its group and namespaces, give up the same rights, execute."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from runtime.linux import constants, syscalls
from runtime.process import clone
from runtime.process.init import confine, execute, redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.cgroups.cgroup import Cgroup
    from runtime.spec.container import Process

_PR_SET_DUMPABLE = 4
_JOINED = (
    constants.CLONE_NEWNS
    | constants.CLONE_NEWUTS
    | constants.CLONE_NEWIPC
    | constants.CLONE_NEWNET
    | constants.CLONE_NEWCGROUP
)


def enter(pidfd: int, cgroup: Cgroup, process: Process, stdio: tuple[int, ...], bounding_set: int) -> clone.Child:
    """Start ``process`` beside the container's first one, which ``pidfd`` names."""
    with cgroup.entrance() as entrance, _children_in_pid_namespace_of(pidfd):
        unified = cgroup.hierarchy.version == 2

        def child(at: Callable[[str], None]) -> None:
            # Until execve we are a program of the host inside the container: nobody there may look into us, or reach
            # our executable through /proc (CVE-2019-5736).
            syscalls.prctl(_PR_SET_DUMPABLE, 0)
            at("join the control group")
            for fd in () if unified else entrance:
                os.write(fd, b"0")
            at("join the namespaces")
            syscalls.setns(pidfd, _JOINED)
            at("connect standard input and output")
            redirect(*stdio)
            at("drop privileges")
            confine(process, bounding_set)
            at(f"execute {process.argv[0]}")
            execute(process)

        return clone.spawn(child, 0, entrance[0] if unified else None)


@contextlib.contextmanager
def _children_in_pid_namespace_of(pidfd: int) -> Iterator[None]:
    """setns(2) for a pid namespace moves only children yet to be born: so go there, and come back."""
    own = os.pidfd_open(os.getpid())
    try:
        syscalls.setns(pidfd, constants.CLONE_NEWPID)
        try:
            yield
        finally:
            syscalls.setns(own, constants.CLONE_NEWPID)
    finally:
        os.close(own)
