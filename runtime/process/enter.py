"""Start a further process in a running container: join its group and namespaces, give up the same rights, execute."""

from __future__ import annotations

import os

from runtime.linux import constants, syscalls
from runtime.process import clone
from runtime.process.init import Bounds, EnterContext, plan_enter
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.cgroups.cgroup import Cgroup
    from runtime.spec.container import Process

_JOINED = (
    constants.CLONE_NEWNS
    | constants.CLONE_NEWUTS
    | constants.CLONE_NEWIPC
    | constants.CLONE_NEWNET
    | constants.CLONE_NEWCGROUP
)


def enter(
    pidfd: int, cgroup: Cgroup, process: Process, stdio: tuple[int, int, int], bounds: Bounds
) -> clone.Child:
    """Start ``process`` beside the container's first one, which ``pidfd`` names."""
    with cgroup.entrance() as entrance, _children_in_pid_namespace_of(pidfd):
        unified = cgroup.hierarchy.version == 2
        context = EnterContext(pidfd, _JOINED, () if unified else entrance, process, stdio, bounds)
        return clone.spawn(plan_enter(context), 0, entrance[0] if unified else None)


@contextmanager
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
