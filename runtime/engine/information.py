"""What the engine is and what it runs on, in the form of Docker's API (docker info)."""

from __future__ import annotations

import os

from runtime import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.engine import Engine


def information(engine: Engine) -> dict[str, Any]:
    """All of it; what Docker says of a swarm and of plugins there is not."""
    from runtime.supervision.times import now

    return {
        **_counts(engine),
        **_host(),
        **_groups(),
        "Driver": "overlay",
        "DriverStatus": [["Backing Filesystem", _filesystem(engine.home.root)]],
        "DockerRootDir": engine.home.root,
        "LoggingDriver": "json-file",
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        "Runtimes": {"tare-runtime": {"path": "tare-runtime"}},
        "DefaultRuntime": "tare-runtime",
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        "LiveRestoreEnabled": True,
        "ServerVersion": VERSION,
        "SystemTime": now(),
        "Labels": [],
        "Warnings": None,
        "HttpProxy": os.environ.get("HTTP_PROXY", ""),
        "HttpsProxy": os.environ.get("HTTPS_PROXY", ""),
        "NoProxy": os.environ.get("NO_PROXY", ""),
        "ExperimentalBuild": False,
    }


def _counts(engine: Engine) -> dict[str, Any]:
    statuses = [container.state.status for container in engine.containers.list()]
    running, paused = statuses.count("running") + statuses.count("restarting"), statuses.count("paused")
    return {
        "Containers": len(statuses),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(statuses) - running - paused,
        "Images": len({image.digest for image in engine.images.images()}),
    }


def _host() -> dict[str, Any]:
    system = os.uname()
    return {
        "Name": system.nodename,
        "OperatingSystem": _distribution(),
        "OSType": "linux",
        "OSVersion": _release("VERSION_ID"),
        "Architecture": system.machine,
        "KernelVersion": system.release,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _groups() -> dict[str, Any]:
    from runtime.cgroups.hierarchy import parse_mounts, read_mountinfo, version_of

    mounts = parse_mounts(read_mountinfo())
    known = {name for mount in mounts for name in mount.controllers}
    unified = version_of(mounts) == 2
    return {
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": str(version_of(mounts)),
        "MemoryLimit": unified or "memory" in known,
        "SwapLimit": unified or os.path.exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"),
        "CpuCfsPeriod": unified or "cpu" in known,
        "CpuCfsQuota": unified or "cpu" in known,
        "CPUShares": unified or "cpu" in known,
        "CPUSet": unified or "cpuset" in known,
        "PidsLimit": unified or "pids" in known,
        "IPv4Forwarding": _first_line("/proc/sys/net/ipv4/ip_forward") == "1",
        "OomKillDisable": not unified and "memory" in known,
    }


def _distribution() -> str:
    return _release("PRETTY_NAME") or "Linux"


def _release(name: str) -> str:
    """A field of os-release(5)."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            lines = [line.strip().partition("=") for line in file]
    except OSError:
        return ""
    return next((value.strip("\"'") for field, _, value in lines if field == name), "")


def _filesystem(path: str) -> str:
    """The type of the filesystem that a path is on, or will be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    real, best, kind = f"{os.path.realpath(path).rstrip('/')}/", "", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            point = before.split()[4]
            if real.startswith(f"{point.rstrip('/')}/") and len(point) >= len(best):
                best, kind = point, after.split()[0]
    return kind


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return ""
