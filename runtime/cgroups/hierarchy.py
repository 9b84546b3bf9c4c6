"""Which control-group hierarchies this host has, read from mountinfo (cgroups(7), proc_pid_mountinfo(5))."""

from __future__ import annotations

from runtime.values import Value

CONTROLLERS = ("memory", "cpu", "pids")
UNIFIED = ""
"""The name of version 2 beside those of version 1's controllers, as in /proc/PID/cgroup."""

_V1 = frozenset((
    "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc", "net_cls", "net_prio",
    "perf_event", "pids", "rdma",
))  # fmt: skip


class CgroupError(Exception):
    """A control group could not be made, limited or read."""


class Mount(Value):
    """One mounted hierarchy: what it controls (`UNIFIED` for version 2), where, and which of its groups is on top."""

    controllers: tuple[str, ...]
    point: str
    root: str = "/"


class Hierarchy(Value):
    """Where each controller that we use is mounted; version 2 has one mount for all of them."""

    version: int
    mounts: tuple[tuple[str, str], ...]

    def mount(self, controller: str) -> str:
        """The mount point of a controller; raises `CgroupError` where the host has none."""
        for name, path in self.mounts:
            if name == controller:
                return path
        raise CgroupError(f"find cgroup controller {controller}: not mounted on this host")


def parse_mounts(mountinfo: str) -> tuple[Mount, ...]:
    """Every hierarchy in the text of ``/proc/self/mountinfo``.

    Of several mounts of one hierarchy the first counts: later ones are other programs' (bind mounts for containers).
    """
    found: dict[tuple[str, ...], Mount] = {}
    for line in mountinfo.splitlines():
        if " - cgroup" not in line:
            continue
        head, _, tail = line.partition(" - ")
        fstype, _, options = tail.split(" ", 2)
        if fstype == "cgroup2":
            controllers: tuple[str, ...] = (UNIFIED,)
        elif fstype == "cgroup":
            controllers = tuple(name for name in options.split(",") if name in _V1 or name.startswith("name="))
        else:
            continue
        root, point = map(_unescape, head.split(" ")[3:5])
        found.setdefault(controllers, Mount(controllers, point, root))
    return tuple(mount for mount in found.values() if mount.controllers)


def version_of(mounts: tuple[Mount, ...]) -> int:
    """A hybrid host has the controllers on version 1 beside an empty version 2, and counts as version 1."""
    controllers = {name for mount in mounts for name in mount.controllers}
    if "memory" in controllers:
        return 1
    if UNIFIED in controllers:
        return 2
    raise CgroupError("find control groups: neither version 1 with a memory controller nor version 2 is mounted")


def detect(mountinfo: str) -> Hierarchy:
    """The hierarchy that holds the memory controller, from the text of ``/proc/self/mountinfo``."""
    mounts = parse_mounts(mountinfo)
    version = version_of(mounts)
    points = {name: mount.point for mount in mounts for name in mount.controllers}
    if version == 2:
        return Hierarchy(2, tuple((controller, points[UNIFIED]) for controller in CONTROLLERS))
    return Hierarchy(1, tuple(sorted((name, points[name]) for name in CONTROLLERS if name in points)))


def _unescape(field: str) -> str:
    """The kernel writes space, tab, line feed and backslash as octal numbers."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field


def read_mountinfo() -> str:
    """Of this process."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def host_hierarchy() -> Hierarchy:
    """The running host's."""
    return detect(read_mountinfo())
