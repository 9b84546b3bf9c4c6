"""``linux.resources`` on version 1: one controller after the other (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

from runtime.cgroups.limits import PATH, Write, device_weight, plan_cpuset, plan_hugepages, plan_pids, plan_rdma, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spec.resources import BlockIo, Cpu, Memory, NetworkLimits, Resources, WeightDevice

_THROTTLES = (
    ("throttleReadBpsDevice", "throttle_read_bps_device", "blkio.throttle.read_bps_device"),
    ("throttleWriteBpsDevice", "throttle_write_bps_device", "blkio.throttle.write_bps_device"),
    ("throttleReadIOPSDevice", "throttle_read_iops_device", "blkio.throttle.read_iops_device"),
    ("throttleWriteIOPSDevice", "throttle_write_iops_device", "blkio.throttle.write_iops_device"),
)


def plan_v1(resources: Resources) -> Iterator[Write]:
    """All writes but those of devices; raises `CgroupError` for what only version 2 has."""
    if resources.unified:
        raise refuse("unified", "there is only version 1 of control groups here")
    yield from _memory(resources.memory)
    yield from _cpu(resources.cpu)
    yield from plan_pids(resources.pids)
    yield from _block_io(resources.block_io)
    yield from plan_hugepages(resources.hugepage_limits, "limit_in_bytes")
    yield from _network(resources.network)
    yield from plan_rdma(resources.rdma)


def _memory(memory: Memory | None) -> Iterator[Write]:
    if memory is None:
        return
    # Without a limit of memory there is none of memory and swap together either (as runc has it).
    swap = -1 if memory.limit == -1 and not memory.swap else memory.swap
    limits = (
        ("limit", "memory.limit_in_bytes", memory.limit),
        ("swap", "memory.memsw.limit_in_bytes", swap),
        ("reservation", "memory.soft_limit_in_bytes", memory.reservation),
        ("kernel", "memory.kmem.limit_in_bytes", memory.kernel),
        ("kernelTCP", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp),
    )
    for name, file, number in limits:
        if number:
            yield _write("memory", file, number, f"memory.{name}", optional=number == -1)
    if memory.swappiness is not None:
        yield _write("memory", "memory.swappiness", memory.swappiness, "memory.swappiness")
    if memory.disable_oom_killer is not None:
        yield _write("memory", "memory.oom_control", int(memory.disable_oom_killer), "memory.disableOOMKiller")
    if memory.use_hierarchy is not None:
        yield _write("memory", "memory.use_hierarchy", int(memory.use_hierarchy), "memory.useHierarchy")


def _cpu(cpu: Cpu | None) -> Iterator[Write]:
    if cpu is None:
        return
    numbers = (
        ("realtimePeriod", "cpu.rt_period_us", cpu.realtime_period),
        ("realtimeRuntime", "cpu.rt_runtime_us", cpu.realtime_runtime),
        ("shares", "cpu.shares", cpu.shares),
        ("period", "cpu.cfs_period_us", cpu.period),
        ("quota", "cpu.cfs_quota_us", cpu.quota),
    )
    for name, file, number in numbers:
        if number:
            yield _write("cpu", file, number, f"cpu.{name}")
    for name, file, number in (("burst", "cpu.cfs_burst_us", cpu.burst), ("idle", "cpu.idle", cpu.idle)):
        if number is not None:
            yield _write("cpu", file, number, f"cpu.{name}", optional=number == 0)
    yield from plan_cpuset(cpu)


def _block_io(block_io: BlockIo | None) -> Iterator[Write]:
    """Weights are BFQ's alone since CFQ went away with Linux 5.0."""
    if block_io is None:
        return
    if block_io.weight:
        yield _weight("blkio.weight", str(block_io.weight), "weight")
    if block_io.leaf_weight:
        yield _write("blkio", "blkio.leaf_weight", block_io.leaf_weight, "blockIO.leafWeight")
    for index, device in enumerate(block_io.weight_device):
        yield from _device_weights(device, f"weightDevice[{index}]")
    for name, field, file in _THROTTLES:
        for index, throttle in enumerate(getattr(block_io, field)):
            content = f"{throttle.major}:{throttle.minor} {throttle.rate}"
            yield _write("blkio", file, content, f"blockIO.{name}[{index}]")


def _device_weights(device: WeightDevice, place: str) -> Iterator[Write]:
    if device.weight:
        yield _weight("blkio.weight_device", device_weight(device, device.weight), f"{place}.weight")
    if device.leaf_weight:
        content = device_weight(device, device.leaf_weight)
        yield _write("blkio", "blkio.leaf_weight_device", content, f"blockIO.{place}.leafWeight")


def _weight(file: str, content: str, place: str) -> Write:
    otherwise = ((file.replace("blkio.", "blkio.bfq."), content),)
    return Write("blkio", file, content, f"{PATH}.blockIO.{place}", otherwise)


def _network(network: NetworkLimits | None) -> Iterator[Write]:
    if network is None:
        return
    if network.class_id:
        yield _write("net_cls", "net_cls.classid", network.class_id, "network.classID")
    for index, (name, priority) in enumerate(network.priorities):
        yield _write("net_prio", "net_prio.ifpriomap", f"{name} {priority}", f"network.priorities[{index}]")


def _write(controller: str, file: str, content: int | str, place: str, *, optional: bool = False) -> Write:
    return Write(controller, file, str(content), f"{PATH}.{place}", optional=optional)
