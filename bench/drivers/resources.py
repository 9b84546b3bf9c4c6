"""What this host has of each resource that instances consume; the lines of the preflight."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from bench.meters import read_meminfo
from bench.workload import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

# Left to the host, whatever is asked for: below this a run would push the host into reclaim and measure that.
_HOST_RESERVE_BYTES = 512 << 20
_HOST_RESERVE_SHARE = 0.05


def memory(per_instance_bytes: float) -> Requirement:
    """Host memory; an estimate before the run, which measures it."""
    meminfo = read_meminfo()
    reserve = max(_HOST_RESERVE_BYTES, _HOST_RESERVE_SHARE * meminfo["MemTotal"])
    hint = "add memory, or ask for fewer instances or a smaller --memory"
    return Requirement("memory", "bytes", reserve, per_instance_bytes, meminfo["MemAvailable"], hint)


def pids(per_instance: int, fixed: int) -> Requirement:
    """Process ids: the lowest of pid_max, threads-max and this process's own control group's."""
    available = min(_number("/proc/sys/kernel/pid_max"), _number("/proc/sys/kernel/threads-max"), *_pids_limits())
    in_use = sum(1 for entry in os.scandir("/proc") if entry.name.isdigit())
    hint = "raise it with: sysctl kernel.pid_max=4194304"
    return Requirement("process ids", "pids", fixed + in_use, per_instance, available, hint)


def open_files(per_instance: int, fixed: int) -> Requirement:
    """Descriptors of one process of ours: its hard limit, to which the soft one is raised."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    available = _number("/proc/sys/fs/nr_open") if hard == resource.RLIM_INFINITY else hard
    hint = "raise it with: ulimit -Hn 1048576, before starting"
    return Requirement("open files", "files", fixed, per_instance, available, hint)


def network_namespaces(per_instance: int) -> Requirement:
    """Network namespaces that one user may have."""
    hint = "raise it with: sysctl user.max_net_namespaces=1000000"
    available = _number("/proc/sys/user/max_net_namespaces")
    return Requirement("network namespaces", "namespaces", 0, per_instance, available, hint)


def inotify(per_instance: int) -> Requirement:
    """Inotify instances that one user may have; neither runtime uses any, so that they stay for the workload."""
    available = _number("/proc/sys/fs/inotify/max_user_instances")
    hint = "raise it with: sysctl fs.inotify.max_user_instances=8192"
    return Requirement("inotify instances", "instances", 0, per_instance, available, hint)


def bridge_ports(per_bridge: int, bridges: int) -> Requirement:
    """Ports on all the bridges that our address range has room for."""
    hint = "the range 198.18.0.0/15 has no more room; ask for fewer instances"
    return Requirement("bridge ports", "ports", 0, 1, per_bridge * bridges, hint)


def disk(path: Path, per_instance_bytes: int, per_instance_inodes: int) -> tuple[Requirement, Requirement]:
    """Bytes and inodes of the file system that ``path`` is, or will be, on."""
    while not path.exists():
        path = path.parent
    state = os.statvfs(path)
    hint = f"make room on the file system of {path}"
    space = state.f_bavail * state.f_frsize
    inodes = state.f_favail or float("inf")  # btrfs and others count none
    return (
        Requirement(f"disk space of {path}", "bytes", 64 << 20, per_instance_bytes, space, hint),
        Requirement(f"inodes of {path}", "inodes", 1000, per_instance_inodes, inodes, hint),
    )


def _number(path: str) -> int:
    return int(Path(path).read_text(encoding="ascii"))


def _pids_limits() -> Iterator[int]:
    """The limits of every control group above us that has the pids controller, on either version."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "pids"):
            mount = Path("/sys/fs/cgroup/pids" if controllers else "/sys/fs/cgroup")
            yield from _limits_above(mount, mount / path.lstrip("/"))


def _limits_above(mount: Path, group: Path) -> Iterator[int]:
    for directory in (group, *group.parents):
        file = directory / "pids.max"
        if file.is_file() and (text := file.read_text(encoding="ascii").strip()) != "max":
            yield int(text)
        if directory == mount:
            return
