"""Namespaces of a config.json and what lives in them: id mappings, clocks, moved network devices, sysctls."""

from __future__ import annotations

from runtime.spec.reader import I64, U32, show
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.spec.reader import Reader

TYPES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")

_MOST_MAPPINGS = 340  # lines of uid_map, since Linux 4.15 (user_namespaces(7))
_LONGEST_LINK_NAME = 15  # IFNAMSIZ, less the NUL
_IPC_SYSCTLS = frozenset({
    "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/msg_next_id", "kernel/sem", "kernel/sem_next_id",
    "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_next_id", "kernel/shm_rmid_forced",
})  # fmt: skip
_UTS_SYSCTLS = frozenset({"kernel/hostname", "kernel/domainname"})


class Namespace(Value):
    """One of `TYPES`: a new one, or the one at ``path``."""

    type: str
    path: str | None = None


class IdMapping(Value):
    """A line of uid_map or gid_map (user_namespaces(7))."""

    container_id: int
    host_id: int
    size: int


class TimeOffset(Value):
    """A line of timens_offsets (time_namespaces(7)); ``clock`` is monotonic or boottime."""

    clock: str
    secs: int = 0
    nanosecs: int = 0


class NetDevice(Value):
    """A network device of the host that moves into the container, there as ``name``."""

    host_name: str
    name: str


def parse_namespaces(linux: Reader) -> dict[str, Namespace]:
    """By type, in the order of the file."""
    namespaces: dict[str, Namespace] = {}
    for entry in linux.objects("namespaces"):
        kind = entry.choice("type", TYPES, "namespace")
        if kind in namespaces:
            raise entry.error("type", f"{show(kind)} is given twice")
        path = None if entry.string("path") is None else entry.absolute_path("path")
        namespaces[kind] = Namespace(kind, path)
    return namespaces


def parse_mappings(reader: Reader, name: str) -> tuple[IdMapping, ...]:
    """The lines of uid_map or gid_map, which the kernel refuses as a whole when two of them overlap."""
    entries = reader.objects(name)
    if len(entries) > _MOST_MAPPINGS:
        raise reader.error(name, f"has {len(entries)} entries, and the kernel takes {_MOST_MAPPINGS}")
    mappings = tuple(_mapping(entry) for entry in entries)
    _refuse_overlap(reader, name, [(mapping.container_id, mapping.size) for mapping in mappings], "container")
    _refuse_overlap(reader, name, [(mapping.host_id, mapping.size) for mapping in mappings], "host")
    return mappings


def _mapping(reader: Reader) -> IdMapping:
    container, host = reader.required_integer("containerID", U32), reader.required_integer("hostID", U32)
    size = reader.required_integer("size", (1, U32[1]))
    if max(container, host) + size > U32[1]:
        raise reader.error("size", f"{size} ids from {max(container, host)} go beyond {U32[1] - 1}")
    return IdMapping(container, host, size)


def _refuse_overlap(reader: Reader, name: str, ranges: list[tuple[int, int]], side: str) -> None:
    end = 0
    for start, size in sorted(ranges):
        if start < end:
            raise reader.error(name, f"two entries have id {start} of the {side}")
        end = start + size


def parse_user_mappings(linux: Reader, namespaces: Mapping[str, Namespace]) -> tuple[tuple[IdMapping, ...], ...]:
    """The mappings of users and those of groups."""
    for name in ("uidMappings", "gidMappings"):
        if linux.objects(name) and "user" not in namespaces:
            raise linux.error(name, "needs a user namespace in linux.namespaces")
    return parse_mappings(linux, "uidMappings"), parse_mappings(linux, "gidMappings")


def parse_time_offsets(linux: Reader, namespaces: Mapping[str, Namespace]) -> tuple[TimeOffset, ...]:
    """Offsets can be written only to a namespace that nobody is in yet (time_namespaces(7))."""
    offsets = []
    for clock, entry in linux.named_objects("timeOffsets"):
        if clock not in {"monotonic", "boottime"}:
            raise linux.error("timeOffsets", f"{show(clock)} is no clock of a time namespace")
        nanoseconds = entry.integer("nanosecs", (0, 999_999_999)) or 0
        offsets.append(TimeOffset(clock, entry.integer("secs", I64) or 0, nanoseconds))
    if offsets and ("time" not in namespaces or namespaces["time"].path is not None):
        raise linux.error("timeOffsets", "needs a new time namespace in linux.namespaces")
    return tuple(offsets)


def parse_net_devices(linux: Reader, namespaces: Mapping[str, Namespace]) -> tuple[NetDevice, ...]:
    """Devices keep their name unless they are given another; no two may have the same, but for one with a ``%d``."""
    devices: list[NetDevice] = []
    for host_name, entry in linux.named_objects("netDevices"):
        name = entry.string("name") or host_name
        for link in (host_name, name):
            if not _is_link_name(link):
                raise linux.error("netDevices", f"{show(link)} is no name of a network device")
        if "%d" not in name and any(name == other.name for other in devices):
            raise linux.error("netDevices", f"two devices are to be {show(name)}")
        devices.append(NetDevice(host_name, name))
    if devices and "network" not in namespaces:
        raise linux.error("netDevices", "needs a network namespace in linux.namespaces")
    return tuple(devices)


def _is_link_name(name: str) -> bool:
    """As dev_valid_name() of net/core/dev.c has it."""
    size = len(name.encode("utf-8", "surrogateescape"))
    return size <= _LONGEST_LINK_NAME and name not in {".", ".."} and not any(c in "/:" or c.isspace() for c in name)


def parse_sysctls(linux: Reader, namespaces: Mapping[str, Namespace]) -> tuple[tuple[str, str], ...]:
    """Parameters that belong to one of the container's namespaces: all others would change the host."""
    pairs = linux.pairs("sysctl")
    for key, _ in pairs:
        owner = _owner(sysctl_path(key))
        if owner is None:
            raise linux.error("sysctl", f"{show(key)} belongs to no namespace: it would change the host")
        if owner not in namespaces:
            raise linux.error("sysctl", f"{show(key)} needs the {owner} namespace in linux.namespaces")
    return pairs


def sysctl_path(key: str) -> str:
    """The file below /proc/sys: of dots and slashes, the one that comes first separates (sysctl(8))."""
    dot, slash = key.find("."), key.find("/")
    if dot != -1 and (slash == -1 or dot < slash):
        return key.translate({ord("."): "/", ord("/"): "."})
    return key


def _owner(path: str) -> str | None:
    """The type of the namespace; None also for a path that leads elsewhere than it says."""
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return None
    owners: dict[str, Callable[[str], bool]] = {
        "network": lambda name: name.startswith("net/"),
        "ipc": lambda name: name in _IPC_SYSCTLS or name.startswith("fs/mqueue/"),
        "uts": lambda name: name in _UTS_SYSCTLS,
    }
    return next((kind for kind, owns in owners.items() if owns(path)), None)
