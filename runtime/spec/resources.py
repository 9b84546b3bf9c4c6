"""``linux.resources`` of a config.json: the limits of a cgroup (runtime-spec, config-linux.md).

What is None was not asked for.
"""

from __future__ import annotations

from runtime.spec.reader import I64, U16, U32, U64, Reader, show
from runtime.values import Value

_LIMIT = (-1, I64[1])
_NUMBER = (0, I64[1])


class Memory(Value):
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


class Cpu(Value):
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


class Pids(Value):
    """The greatest number of tasks; -1 for no limit."""

    limit: int | None = None


class DeviceRule(Value):
    """An entry of the allowed device list; ``type`` is a, c or b, a number None is every number."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


class WeightDevice(Value):
    """The weight of one block device."""

    major: int
    minor: int
    weight: int | None = None
    leaf_weight: int | None = None


class ThrottleDevice(Value):
    """A rate of one block device, in bytes or operations per second."""

    major: int
    minor: int
    rate: int


class BlockIo(Value):
    """Weights and rates of block devices."""

    weight: int | None = None
    leaf_weight: int | None = None
    weight_device: tuple[WeightDevice, ...] = ()
    throttle_read_bps_device: tuple[ThrottleDevice, ...] = ()
    throttle_write_bps_device: tuple[ThrottleDevice, ...] = ()
    throttle_read_iops_device: tuple[ThrottleDevice, ...] = ()
    throttle_write_iops_device: tuple[ThrottleDevice, ...] = ()


class HugepageLimit(Value):
    """Bytes of the pages of one size; ``page_size`` is the kernel's name of it (2MB)."""

    page_size: str
    limit: int


class NetworkLimits(Value):
    """net_cls and net_prio; ``priorities`` are (interface, priority)."""

    class_id: int | None = None
    priorities: tuple[tuple[str, int], ...] = ()


class Rdma(Value):
    """Limits of one RDMA device."""

    device: str
    hca_handles: int | None = None
    hca_objects: int | None = None


class Resources(Value):
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


def parse_resources(value: object, path: str = "") -> Resources:
    """The decoded object as a value, as in a config.json or in a file of its own; raises `SpecError`."""
    reader = Reader(value, path)
    pids = reader.child("pids")
    return Resources(
        memory=_memory(reader.child("memory")),
        cpu=_cpu(reader.child("cpu")),
        pids=None if pids is None else Pids(pids.integer("limit", I64)),
        devices=tuple(_device_rule(entry) for entry in reader.objects("devices")),
        block_io=_block_io(reader.child("blockIO")),
        hugepage_limits=tuple(_hugepage_limit(entry) for entry in reader.objects("hugepageLimits")),
        network=_network(reader.child("network")),
        rdma=tuple(_rdma(device, entry) for device, entry in reader.named_objects("rdma")),
        unified=_unified(reader),
    )


def _memory(reader: Reader | None) -> Memory | None:
    if reader is None:
        return None
    return Memory(
        limit=reader.integer("limit", _LIMIT),
        reservation=reader.integer("reservation", _LIMIT),
        swap=reader.integer("swap", _LIMIT),
        kernel=reader.integer("kernel", _LIMIT),
        kernel_tcp=reader.integer("kernelTCP", _LIMIT),
        swappiness=reader.integer("swappiness", (0, 100)),
        disable_oom_killer=reader.boolean("disableOOMKiller"),
        use_hierarchy=reader.boolean("useHierarchy"),
        check_before_update=reader.boolean("checkBeforeUpdate"),
    )


def _cpu(reader: Reader | None) -> Cpu | None:
    if reader is None:
        return None
    quota, burst = reader.integer("quota", I64), reader.integer("burst", U64)
    if quota is not None and burst is not None and 0 < quota < burst:
        raise reader.error("burst", f"{burst} is above the quota, {quota}")
    return Cpu(
        shares=reader.integer("shares", U64),
        quota=quota,
        burst=burst,
        period=reader.integer("period", U64),
        realtime_runtime=reader.integer("realtimeRuntime", I64),
        realtime_period=reader.integer("realtimePeriod", U64),
        cpus=reader.string("cpus"),
        mems=reader.string("mems"),
        idle=reader.integer("idle", (0, 1)),
    )


def _device_rule(reader: Reader) -> DeviceRule:
    """Docker writes -1 for any number, where the specification leaves it out."""
    allow = reader.boolean("allow")
    if allow is None:
        raise reader.error("allow", "is missing")
    access = reader.string("access") or "rwm"
    if set(access) - set("rwm"):
        raise reader.error("access", f"{show(access)} is not made of r, w and m")
    kind = "a" if reader.string("type") is None else reader.choice("type", ("a", "b", "c"), "type of device")
    major, minor = (reader.integer(name, _LIMIT) for name in ("major", "minor"))
    return DeviceRule(allow, kind, None if major == -1 else major, None if minor == -1 else minor, access)


def _block_io(reader: Reader | None) -> BlockIo | None:
    if reader is None:
        return None
    return BlockIo(
        weight=reader.integer("weight", U16),
        leaf_weight=reader.integer("leafWeight", U16),
        weight_device=tuple(_weight_device(entry) for entry in reader.objects("weightDevice")),
        throttle_read_bps_device=_throttles(reader, "throttleReadBpsDevice"),
        throttle_write_bps_device=_throttles(reader, "throttleWriteBpsDevice"),
        throttle_read_iops_device=_throttles(reader, "throttleReadIOPSDevice"),
        throttle_write_iops_device=_throttles(reader, "throttleWriteIOPSDevice"),
    )


def _weight_device(reader: Reader) -> WeightDevice:
    weight, leaf = reader.integer("weight", U16), reader.integer("leafWeight", U16)
    if weight is None and leaf is None:
        raise reader.error("weight", "is missing, and so is leafWeight")
    return WeightDevice(*_device_numbers(reader), weight, leaf)


def _throttles(reader: Reader, name: str) -> tuple[ThrottleDevice, ...]:
    return tuple(
        ThrottleDevice(*_device_numbers(entry), entry.required_integer("rate", U64)) for entry in reader.objects(name)
    )


def _device_numbers(reader: Reader) -> tuple[int, int]:
    return reader.required_integer("major", _NUMBER), reader.required_integer("minor", _NUMBER)


def _hugepage_limit(reader: Reader) -> HugepageLimit:
    size = reader.required_string("pageSize")
    number, unit = size[:-2], size[-2:]
    if not (number.isascii() and number.isdigit() and unit in {"KB", "MB", "GB"}):
        raise reader.error("pageSize", f"{show(size)} is no page size such as 2MB")
    return HugepageLimit(size, reader.required_integer("limit", U64))


def _network(reader: Reader | None) -> NetworkLimits | None:
    if reader is None:
        return None
    priorities = tuple(
        (entry.required_string("name"), entry.required_integer("priority", U32))
        for entry in reader.objects("priorities")
    )
    return NetworkLimits(reader.integer("classID", U32), priorities)


def _rdma(device: str, reader: Reader) -> Rdma:
    handles, objects = reader.integer("hcaHandles", U32), reader.integer("hcaObjects", U32)
    if handles is None and objects is None:
        raise reader.error("hcaHandles", "is missing, and so is hcaObjects")
    return Rdma(device, handles, objects)


def _unified(reader: Reader) -> tuple[tuple[str, str], ...]:
    """A key is the name of a file in the cgroup's own directory and nothing else."""
    pairs = reader.pairs("unified")
    for name, _ in pairs:
        if "/" in name or name in {".", ".."}:
            raise reader.error("unified", f"{show(name)} is no file of a cgroup")
    return pairs
