"""``linux`` of a config.json: namespaces, devices, cgroup and kernel parameters (runtime-spec, config-linux.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.spec.namespaces import IdMapping, Namespace, NetDevice, TimeOffset
from runtime.spec.resources import Resources


@dataclass(frozen=True, slots=True)
class Device:
    """A device node; ``type`` is b, c, u (as c) or p, a FIFO, which has no numbers. None is: as the runtime likes."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class Personality:
    """What personality(2) takes: LINUX or LINUX32."""

    domain: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """What set_mempolicy(2) takes: MPOL_BIND, the list of nodes, MPOL_F_STATIC_NODES."""

    mode: str
    nodes: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Linux:
    """The Linux part; ``seccomp`` and ``intel_rdt`` are the objects of the file, read by whoever compiles them."""

    namespaces: tuple[Namespace, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
    time_offsets: tuple[TimeOffset, ...] = ()
    devices: tuple[Device, ...] = ()
    net_devices: tuple[NetDevice, ...] = ()
    cgroups_path: str | None = None
    resources: Resources = Resources()
    rootfs_propagation: str | None = None
    seccomp: dict[str, Any] | None = None
    sysctl: tuple[tuple[str, str], ...] = ()
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    mount_label: str | None = None
    personality: Personality | None = None
    intel_rdt: dict[str, Any] | None = None
    memory_policy: MemoryPolicy | None = None

    def namespace(self, kind: str) -> Namespace | None:
        """The entry of this type, None when the container keeps the runtime's namespace."""
        return next((entry for entry in self.namespaces if entry.type == kind), None)
