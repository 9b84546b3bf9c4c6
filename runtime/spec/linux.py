"""``linux`` of a config.json: namespaces, devices, cgroup and kernel parameters (runtime-spec, config-linux.md)."""

from __future__ import annotations

from runtime.spec import namespaces as ns
from runtime.spec.lists import MOST_NODES, parse_list
from runtime.spec.reader import I64, ID, U32, Reader, show
from runtime.spec.resources import Resources, parse_resources
from runtime.spec.seccomp import parse_seccomp
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.seccomp import Seccomp
    from runtime.spec.namespaces import IdMapping, Namespace, NetDevice, TimeOffset
    from runtime.spec.rdt import IntelRdt

_PROPAGATIONS = tuple(prefix + kind for prefix in ("", "r") for kind in ("private", "shared", "slave", "unbindable"))
MEMORY_MODES = (
    "MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
)  # fmt: skip
_MODES_OF_NODES = ("MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE")
_MODES_WITHOUT = ("MPOL_DEFAULT", "MPOL_LOCAL")
MEMORY_FLAGS = ("MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES")


class Device(Value):
    """A device node; ``type`` is b, c, u (as c) or p, a FIFO, which has no numbers. None is: as the runtime likes."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class Personality(Value):
    """What personality(2) takes: LINUX or LINUX32. There are no flags that the specification supports."""

    domain: str


class MemoryPolicy(Value):
    """What set_mempolicy(2) takes: MPOL_BIND, the nodes, MPOL_F_STATIC_NODES."""

    mode: str
    nodes: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()


class Linux(Value):
    """The Linux part."""

    namespaces: tuple[Namespace, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
    time_offsets: tuple[TimeOffset, ...] = ()
    devices: tuple[Device, ...] = ()
    net_devices: tuple[NetDevice, ...] = ()
    cgroups_path: str | None = None
    resources: Resources = Resources()
    rootfs_propagation: str | None = None
    seccomp: Seccomp | None = None
    sysctl: tuple[tuple[str, str], ...] = ()
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    mount_label: str | None = None
    personality: Personality | None = None
    intel_rdt: IntelRdt | None = None
    memory_policy: MemoryPolicy | None = None

    def namespace(self, kind: str) -> Namespace | None:
        """The entry of this type, None when the container keeps the runtime's namespace."""
        return next((entry for entry in self.namespaces if entry.type == kind), None)


def parse_linux(value: object, path: str = "linux") -> Linux:
    """The decoded object as a value; raises `SpecError`."""
    reader = Reader(value, path)
    namespaces = ns.parse_namespaces(reader)
    uid_mappings, gid_mappings = ns.parse_user_mappings(reader, namespaces)
    resources, seccomp = reader.raw_object("resources"), reader.raw_object("seccomp")
    return Linux(
        namespaces=tuple(namespaces.values()),
        uid_mappings=uid_mappings,
        gid_mappings=gid_mappings,
        time_offsets=ns.parse_time_offsets(reader, namespaces),
        devices=tuple(_device(entry) for entry in reader.objects("devices")),
        net_devices=ns.parse_net_devices(reader, namespaces),
        cgroups_path=_cgroups_path(reader),
        resources=Resources() if resources is None else parse_resources(resources, reader.at("resources")),
        rootfs_propagation=_propagation(reader),
        seccomp=None if seccomp is None else parse_seccomp(seccomp, reader.at("seccomp")),
        sysctl=ns.parse_sysctls(reader, namespaces),
        masked_paths=reader.absolute_paths("maskedPaths"),
        readonly_paths=reader.absolute_paths("readonlyPaths"),
        mount_label=reader.string("mountLabel"),
        personality=_personality(reader.child("personality")),
        intel_rdt=_intel_rdt(reader),
        memory_policy=_memory_policy(reader.child("memoryPolicy")),
    )


def _intel_rdt(reader: Reader) -> IntelRdt | None:
    """Few have it, and nobody else is to wait for its module to be loaded."""
    content = reader.raw_object("intelRdt")
    if content is None:
        return None
    from runtime.spec.rdt import parse_rdt

    return parse_rdt(content, reader.at("intelRdt"))


def _device(reader: Reader) -> Device:
    kind = reader.choice("type", ("b", "c", "u", "p"), "type of device")
    major, minor = (0 if kind == "p" else reader.required_integer(name, (0, I64[1])) for name in ("major", "minor"))
    return Device(
        path=reader.absolute_path("path"),
        type=kind,
        major=major,
        minor=minor,
        file_mode=reader.integer("fileMode", U32),
        uid=reader.integer("uid", ID),
        gid=reader.integer("gid", ID),
    )


def _cgroups_path(reader: Reader) -> str | None:
    path = reader.string("cgroupsPath")
    if path is not None and ".." in path.split("/"):
        raise reader.error("cgroupsPath", f"{show(path)} leads out of the hierarchy")
    return path


def _propagation(reader: Reader) -> str | None:
    """The recursive forms are no part of the specification; engines write them."""
    name = "rootfsPropagation"
    return None if reader.string(name) is None else reader.choice(name, _PROPAGATIONS, "propagation of mounts")


def _personality(reader: Reader | None) -> Personality | None:
    if reader is None:
        return None
    reader.choices("flags", (), "flag of an execution domain")
    return Personality(reader.choice("domain", ("LINUX", "LINUX32"), "execution domain"))


def _memory_policy(reader: Reader | None) -> MemoryPolicy | None:
    """Which modes take nodes is set_mempolicy(2)'s rule."""
    if reader is None:
        return None
    mode = reader.choice("mode", MEMORY_MODES, "memory policy")
    nodes = parse_list(reader, "nodes", MOST_NODES)
    if mode in _MODES_OF_NODES and not nodes:
        raise reader.error("nodes", f"is missing, and {mode} needs it")
    if mode in _MODES_WITHOUT and nodes:
        raise reader.error("nodes", f"{show(reader.get('nodes'))} is of no use to {mode}")
    return MemoryPolicy(mode, nodes, reader.choices("flags", MEMORY_FLAGS, "flag of a memory policy"))
