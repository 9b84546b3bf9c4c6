"""Which control-group hierarchies this host has, read from mountinfo (cgroups(7), proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass

CONTROLLERS = ("memory", "cpu", "pids")


class CgroupError(Exception):
    """A control group could not be made, limited or read."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where each controller that we use is mounted; version 2 has one mount for all of them."""

    version: int
    mounts: tuple[tuple[str, str], ...]

    def mount(self, controller: str) -> str:
        """The mount point of a controller; raises `CgroupError` where the host has none."""
        for name, path in self.mounts:
            if name == controller:
                return path
        raise CgroupError(f"find cgroup controller {controller}: not mounted on this host")


def detect(mountinfo: str) -> Hierarchy:
    """The hierarchy that holds the memory controller, from the text of ``/proc/self/mountinfo``.

    A hybrid host has the controllers on version 1 beside an empty version 2, and counts as version 1. Of several mounts
    of one hierarchy the first counts: later ones are other programs' (bind mounts for containers, say).
    """
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(" - ")
        fstype, _, options = tail.split(" ", 2)
        if fstype == "cgroup":
            v1 = dict.fromkeys(set(options.split(",")) & set(CONTROLLERS), _mount_point(head)) | v1
        elif fstype == "cgroup2":
            v2 = v2 or _mount_point(head)
    if "memory" in v1:
        return Hierarchy(1, tuple(sorted(v1.items())))
    if v2:
        return Hierarchy(2, tuple((controller, v2) for controller in CONTROLLERS))
    raise CgroupError("find control groups: neither version 1 with a memory controller nor version 2 is mounted")


def _mount_point(head: str) -> str:
    """The fifth field; the kernel writes space, tab, line feed and backslash as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), head.split(" ")[4])


def host_hierarchy() -> Hierarchy:
    """The running host's."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return detect(file.read())
