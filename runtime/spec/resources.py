"""``linux.resources`` of a config.json: the limits of a cgroup (runtime-spec, config-linux.md). None is: not asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, -1 for no limit; ``swap`` is memory and swap together."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    kernel_tcp: int | None = None
    swappiness: int | None = None
    disable_oom_killer: bool | None = None
    use_hierarchy: bool | None = None
    check_before_update: bool | None = None


@dataclass(frozen=True, slots=True)
class Cpu:
    """Shares, and quotas and periods in microseconds; ``cpus`` and ``mems`` are lists as of cpuset(7)."""

    shares: int | None = None
    quota: int | None = None
    burst: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str | None = None
    mems: str | None = None
    idle: int | None = None


@dataclass(frozen=True, slots=True)
class Pids:
    """The greatest number of tasks; -1 for no limit."""

    limit: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """An entry of the allowed device list; ``type`` is a, c or b, a number None is every number."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


@dataclass(frozen=True, slots=True)
class WeightDevice:
    """The weight of one block device."""

    major: int
    minor: int
    weight: int | None = None
    leaf_weight: int | None = None


@dataclass(frozen=True, slots=True)
class ThrottleDevice:
    """A rate of one block device, in bytes or operations per second."""

    major: int
    minor: int
    rate: int


@dataclass(frozen=True, slots=True)
class BlockIo:
    """Weights and rates of block devices."""

    weight: int | None = None
    leaf_weight: int | None = None
    weight_device: tuple[WeightDevice, ...] = ()
    throttle_read_bps_device: tuple[ThrottleDevice, ...] = ()
    throttle_write_bps_device: tuple[ThrottleDevice, ...] = ()
    throttle_read_iops_device: tuple[ThrottleDevice, ...] = ()
    throttle_write_iops_device: tuple[ThrottleDevice, ...] = ()


@dataclass(frozen=True, slots=True)
class HugepageLimit:
    """Bytes of the pages of one size; ``page_size`` is the kernel's name of it (2MB)."""

    page_size: str
    limit: int


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """net_cls and net_prio; ``priorities`` are (interface, priority)."""

    class_id: int | None = None
    priorities: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Rdma:
    """Limits of one RDMA device."""

    device: str
    hca_handles: int | None = None
    hca_objects: int | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """All limits; ``unified`` are (file, content) of cgroup v2."""

    memory: Memory | None = None
    cpu: Cpu | None = None
    pids: Pids | None = None
    devices: tuple[DeviceRule, ...] = ()
    block_io: BlockIo | None = None
    hugepage_limits: tuple[HugepageLimit, ...] = ()
    network: NetworkLimits | None = None
    rdma: tuple[Rdma, ...] = ()
    unified: tuple[tuple[str, str], ...] = ()
