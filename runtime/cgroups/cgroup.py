"""One control group of one container, on either version, behind one interface.

Version 1 has a directory in each controller's hierarchy and is entered by writing ``0`` to ``tasks``, which, unlike
``cgroup.procs``, does not wait for an RCU grace period. Version 2 has one directory and is entered by
``clone3(CLONE_INTO_CGROUP)``.
"""

from __future__ import annotations

import errno
import os
import time

from runtime.cgroups.files import doing, read, write
from runtime.cgroups.hierarchy import CONTROLLERS, CgroupError, Hierarchy
from runtime.unwinding import ExitStack, contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spec.container import Resources

CPU_PERIOD_US = 100_000
_REMOVE_DEADLINE_S = 5.0


class Cgroup:
    """The group at ``path`` (relative, such as ``tare/RUN/ID``) below the hierarchy's mounts."""

    def __init__(self, hierarchy: Hierarchy, path: str) -> None:
        self.hierarchy = hierarchy
        self.path = path

    @property
    def directories(self) -> tuple[str, ...]:
        """Where the group is, without repetition."""
        return tuple(dict.fromkeys(f"{mount}/{self.path}" for _, mount in self.hierarchy.mounts))

    def create(self, resources: Resources) -> None:
        """Make the group, below parents that exist, and set its limits; a failure leaves nothing behind."""
        with ExitStack() as undo:
            for directory in self.directories:
                with doing(f"create cgroup {directory}"):
                    os.mkdir(directory)
                undo.callback(remove_directory, directory)
            for controller, file, value in plan_limits(self.hierarchy.version, resources):
                write(f"{self.hierarchy.mount(controller)}/{self.path}/{file}", value)
            undo.pop_all()

    @contextmanager
    def entrance(self) -> Iterator[tuple[int, ...]]:
        """Open descriptors: on version 1 ``tasks`` files to write to, on version 2 a directory to clone into."""
        with ExitStack() as stack:
            fds = []
            for directory in self.directories:
                v1 = self.hierarchy.version == 1
                path, flags = (f"{directory}/tasks", os.O_WRONLY) if v1 else (directory, os.O_PATH)
                with doing(f"open {path}"):
                    fd = os.open(path, flags | os.O_CLOEXEC)
                stack.callback(os.close, fd)
                fds.append(fd)
            yield tuple(fds)

    def memory_bytes(self) -> int:
        """What the memory controller charges to the group now: anonymous, file and kernel memory."""
        name = "memory.usage_in_bytes" if self.hierarchy.version == 1 else "memory.current"
        return int(read(f"{self.hierarchy.mount('memory')}/{self.path}/{name}"))

    def pids(self) -> tuple[int, ...]:
        """The processes in the group, as this process sees their pids."""
        return tuple(map(int, read(f"{self.hierarchy.mount('memory')}/{self.path}/cgroup.procs").split()))

    def remove(self) -> None:
        """Remove the group once its last process has gone. Idempotent."""
        for directory in self.directories:
            remove_directory(directory)


def plan_limits(version: int, resources: Resources) -> tuple[tuple[str, str, str], ...]:
    """What is written where: (controller, file, value)."""
    plan: list[tuple[str, str, str]] = []
    if resources.memory_bytes is not None:
        plan.append(("memory", ("memory.limit_in_bytes", "memory.max")[version - 1], str(resources.memory_bytes)))
    if resources.pids is not None:
        plan.append(("pids", "pids.max", str(resources.pids)))
    if resources.cpus is not None:
        quota = str(round(resources.cpus * CPU_PERIOD_US))
        v1, v2 = ("cpu", "cpu.cfs_quota_us", quota), ("cpu", "cpu.max", f"{quota} {CPU_PERIOD_US}")
        plan.append(v1 if version == 1 else v2)
    return tuple(plan)


def create_parents(hierarchy: Hierarchy, path: str) -> None:
    """Make the groups above the containers' own; on version 2 hand the controllers down to them."""
    for mount in dict.fromkeys(mount for _, mount in hierarchy.mounts):
        directory = mount
        for part in path.split("/"):
            if hierarchy.version == 2:
                _delegate(directory)
            directory = f"{directory}/{part}"
            with doing(f"create cgroup {directory}"), suppress(FileExistsError):
                os.mkdir(directory)
        if hierarchy.version == 2:
            _delegate(directory)


def _delegate(directory: str) -> None:
    path = f"{directory}/cgroup.subtree_control"
    missing = [f"+{name}" for name in CONTROLLERS if name not in read(path).split()]
    if missing:
        write(path, " ".join(missing))


def remove_directory(directory: str) -> None:
    """Remove one empty group's directory, waiting for exiting tasks to leave it. Idempotent."""
    deadline = time.monotonic() + _REMOVE_DEADLINE_S
    while True:
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise CgroupError(f"remove cgroup {directory}: {os.strerror(error.errno or 0).lower()}") from error
            time.sleep(0.001)
        else:
            return
