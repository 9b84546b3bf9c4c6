"""A config.json to begin with: a shell in a container without any right that a shell does not need."""

from __future__ import annotations

from runtime.spec.version import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_QUIET = ("nosuid", "noexec", "nodev")
_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")

# What tells of, or reaches, the host: what Docker hides, and the CPU's interrupt counters.
MASKED_PATHS = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def default_config() -> dict[str, Any]:
    """Decoded JSON, that `runtime.spec.config.parse_config` accepts."""
    return {
        "ociVersion": NEWEST,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "tare",
        "mounts": _mounts(),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }


def _mounts() -> list[dict[str, Any]]:
    devpts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    return [
        _mount("/proc", "proc", "proc"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *devpts),
        _mount("/dev/shm", "tmpfs", "shm", *_QUIET, "mode=1777", "size=65536k"),  # noqa: S108 - its name
        _mount("/dev/mqueue", "mqueue", "mqueue", *_QUIET),
        _mount("/sys", "sysfs", "sysfs", *_QUIET, "ro"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_QUIET, "relatime", "ro"),
    ]


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def rootless(config: dict[str, Any], uid: int, gid: int) -> dict[str, Any]:
    """The same for a user without rights: root in a user namespace, on the host's network, without a cgroup."""
    linux = config["linux"]
    kinds = [kind for kind in (*_NAMESPACES, "user") if kind != "network"]
    mapping = {"containerID": 0, "size": 1}
    mounts = [mount for mount in config["mounts"] if mount["type"] not in {"cgroup", "sysfs"}]
    for mount in mounts:
        mount["options"] = [option for option in mount["options"] if option != "gid=5"]  # which is not mapped
    sys = _mount("/sys", "none", "/sys", "rbind", *_QUIET, "ro")
    return config | {
        "mounts": [*mounts, sys],
        "linux": {
            **{name: content for name, content in linux.items() if name != "resources"},
            "namespaces": [{"type": kind} for kind in kinds],
            "uidMappings": [mapping | {"hostID": uid}],
            "gidMappings": [mapping | {"hostID": gid}],
        },
    }
