"""A container's config.json (runtime-spec 1.3), with Docker's defaults (oci/defaults.go of moby)."""

from __future__ import annotations

from runtime.engine.limits import devices, resources, rlimits
from runtime.engine.modes import joined
from runtime.engine.profiles import default_profile, read_profile
from runtime.engine.rights import capabilities_of, security_of
from runtime.spec.version import NEWEST
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.container import Container, MountPoint
    from runtime.engine.identity import Identity
    from runtime.engine.options import CreateOptions

INIT_TARGET = "/sbin/docker-init"
GROUPS = "/tare-engine"
"""Below this the control groups of containers are."""

_QUIET = ("nosuid", "noexec", "nodev")
MASKED_PATHS = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_OWN_NETWORK_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


class Ground(Value):
    """What the start has found or made: paths of namespaces that are joined, the files of names, and who runs it.

    ``network`` is the path of a namespace, empty for one of the container's own, None for the host's.
    """

    identity: Identity
    hostname: str
    network: str | None = ""
    pid: str | None = ""
    ipc: str | None = ""
    files: tuple[tuple[str, str], ...] = ()
    shm: str = ""
    init: str = ""


def make_bundle(container: Container, ground: Ground) -> dict[str, Any]:
    """The document; raises `BadOption` for devices and profiles that are not there."""
    config, mounts = container.config, container.mounts
    made: dict[str, Any] = {
        "ociVersion": NEWEST,
        "process": _process(container, config, ground),
        "root": {"path": container.merged, "readonly": config.read_only},
        "mounts": _mounts(config, mounts, ground),
        "annotations": dict(config.annotations),
        "linux": _linux(container.id, config, ground),
    }
    if config.uts != "host":
        made["hostname"] = ground.hostname
        made |= {"domainname": config.domainname} if config.domainname else {}
    return made


def _process(container: Container, config: CreateOptions, ground: Ground) -> dict[str, Any]:
    identity, security = ground.identity, security_of(config)
    made: dict[str, Any] = {
        "terminal": config.tty,
        "user": user_entry(identity),
        "args": [*((INIT_TARGET, "--") if ground.init else ()), *container.command],
        "env": list(environment(config, ground.hostname, identity.home)),
        "cwd": config.workdir or "/",
        "capabilities": capability_entry(config),
        "rlimits": rlimits(config),
        "noNewPrivileges": security.no_new_privileges,
    }
    return made | ({"oomScoreAdj": config.oom_score_adj} if config.oom_score_adj else {})


def user_entry(identity: Identity) -> dict[str, Any]:
    """``process.user``."""
    return {"uid": identity.uid, "gid": identity.gid, "additionalGids": list(identity.groups)}


def capability_entry(config: CreateOptions) -> dict[str, Any]:
    """Neither inheritable nor ambient ones, as Docker since 20.10.14 (CVE-2022-24769)."""
    names = list(capabilities_of(config))
    return {"bounding": names, "effective": names, "permitted": names}


def environment(config: CreateOptions, hostname: str, home: str) -> tuple[str, ...]:
    """What Docker adds comes first, and what was asked for has the last word."""
    added = {"PATH": "", "HOSTNAME": f"HOSTNAME={hostname}"}
    if config.tty:
        added["TERM"] = "TERM=xterm"
    for entry in config.env:
        added[entry.partition("=")[0]] = entry
    added.setdefault("HOME", f"HOME={home}")
    return tuple(entry for entry in added.values() if entry)


def _mounts(config: CreateOptions, points: tuple[MountPoint, ...], ground: Ground) -> list[dict[str, Any]]:
    """Those of every container, files of names, and its own; a destination of one's own replaces a default."""
    own = {point.target for point in points}
    default = [entry for entry in _default_mounts(config, ground) if entry["destination"] not in own]
    access = ("ro",) if config.read_only else ()
    files = [_bind(source, target, "rprivate", *access) for target, source in ground.files if target not in own]
    init = [_bind(ground.init, INIT_TARGET, "ro")] if ground.init else []
    return [*default, *files, *init, *(_own(point) for point in points)]


def _default_mounts(config: CreateOptions, ground: Ground) -> list[dict[str, Any]]:
    devpts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    access = "rw" if config.privileged else "ro"
    return [
        _mount("/proc", "proc", "proc", *_QUIET),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *devpts),
        _mount("/sys", "sysfs", "sysfs", *_QUIET, access),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_QUIET, access),
        # Those of the namespace that it is mounted in (mq_overview(7)), be it the host's.
        _mount("/dev/mqueue", "mqueue", "mqueue", *_QUIET),
        *_shm(config, ground),
    ]


def _shm(config: CreateOptions, ground: Ground) -> list[dict[str, Any]]:
    if config.ipc == "none":
        return []
    if ground.shm:
        return [_bind(ground.shm, "/dev/shm", *_QUIET)]  # noqa: S108 - its name
    return [_mount("/dev/shm", "tmpfs", "shm", *_QUIET, "mode=1777", f"size={config.shm_size_bytes}")]  # noqa: S108


def _own(point: MountPoint) -> dict[str, Any]:
    access = ("ro",) if point.read_only else ()
    if point.kind == "tmpfs":
        return _mount(point.target, "tmpfs", "tmpfs", *point.data, *access)
    propagation = point.propagation or "rprivate"
    # What is mounted below is read-only, too, as with Docker since 25 (mount_setattr(2), AT_RECURSIVE).
    recursive = ("rbind", *(("rro",) if point.read_only else ())) if point.recursive else ("bind",)
    return _mount(point.target, "bind", point.source, *recursive, *access, propagation)


def _bind(source: str, target: str, *options: str) -> dict[str, Any]:
    return _mount(target, "bind", source, "rbind", *options)


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _linux(container_id: str, config: CreateOptions, ground: Ground) -> dict[str, Any]:
    security, nodes = security_of(config), devices(config)
    made: dict[str, Any] = {
        "namespaces": _namespaces(config, ground),
        "cgroupsPath": f"{GROUPS}/{container_id}",
        "resources": resources(config, nodes),
        "devices": nodes,
        "sysctl": _sysctls(config),
        "maskedPaths": [] if security.unconfined_paths else list(MASKED_PATHS),
        "readonlyPaths": [] if security.unconfined_paths else list(READONLY_PATHS),
    }
    seccomp = _seccomp(config, security.seccomp)
    return made | ({"seccomp": seccomp} if seccomp else {}) | _propagation(config)


def _seccomp(config: CreateOptions, wanted: str) -> dict[str, Any] | None:
    if wanted == "unconfined":
        return None
    held = capabilities_of(config)
    return read_profile(wanted, held) if wanted else default_profile(held)


def _propagation(config: CreateOptions) -> dict[str, Any]:
    """A mount that is shared with the host needs a root that lets it be."""
    wanted = {option.propagation.removeprefix("r") for option in config.mounts}
    if "shared" in wanted:
        return {"rootfsPropagation": "shared"}
    return {"rootfsPropagation": "slave"} if "slave" in wanted else {}


def _namespaces(config: CreateOptions, ground: Ground) -> list[dict[str, Any]]:
    found: dict[str, str | None] = {
        "mount": "",
        "uts": None if config.uts == "host" else "",
        "pid": ground.pid,
        "ipc": ground.ipc,
        "network": ground.network,
        "cgroup": None if config.cgroupns == "host" or config.privileged else "",
    }
    return [{"type": kind, **({"path": path} if path else {})} for kind, path in found.items() if path is not None]


def _sysctls(config: CreateOptions) -> dict[str, str]:
    own = config.network != "host" and joined(config.network) is None
    return (_OWN_NETWORK_SYSCTLS if own else {}) | dict(config.sysctls)
