"""``linux.resources``, which is made for version 1, on version 2 (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from runtime.cgroups.limits import PATH, Write, device_weight, plan_cpuset, plan_hugepages, plan_pids, plan_rdma, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spec.resources import BlockIo, Cpu, Memory, NetworkLimits, Resources

NEEDED = ("memory.current", "memory.max", "cpu.max")
"""What a new value can depend on: swap is given without the memory, a period with the quota, a check with the usage."""

_DEFAULT_PERIOD_US = 100_000
_SHARES = (2, 262_144)
_WEIGHTS = (1, 10_000)
_THROTTLES = (
    ("throttleReadBpsDevice", "throttle_read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "throttle_write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "throttle_read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "throttle_write_iops_device", "wiops"),
)


def plan_v2(resources: Resources, now: dict[str, str]) -> Iterator[Write]:
    """All writes but those of devices; raises `CgroupError` for what only version 1 has.

    ``unified`` comes last: it is the more exact word about the same files.
    """
    yield from _memory(resources.memory, now)
    yield from _cpu(resources.cpu, now)
    yield from plan_pids(resources.pids)
    yield from _block_io(resources.block_io)
    yield from plan_hugepages(resources.hugepage_limits, "max")
    _refuse_network(resources.network)
    yield from plan_rdma(resources.rdma)
    for file, content in resources.unified:
        controller = file.split(".")[0]
        for line in content.splitlines():
            yield Write(controller, file, line, f'{PATH}.unified["{file}"]')


def _memory(memory: Memory | None, now: dict[str, str]) -> Iterator[Write]:
    if memory is None:
        return
    _refuse_memory(memory)
    if memory.check_before_update:
        _check_usage(memory, int(now.get("memory.current", 0)))
    swap = _swap(memory, now)
    if swap is not None:
        # The file is missing only where the kernel has no swap, and then none is used.
        yield Write("memory", "memory.swap.max", swap, f"{PATH}.memory.swap", optional=True)
    for name, file, number in (("limit", "max", memory.limit), ("reservation", "low", memory.reservation)):
        if number:
            yield Write("memory", f"memory.{file}", _or_max(number), f"{PATH}.memory.{name}")


def _refuse_memory(memory: Memory) -> None:
    """Neither of these can be converted, which has to be an error ("Unified" in config-linux.md)."""
    refused = (
        ("kernel", (memory.kernel or -1) > 0),
        ("kernelTCP", (memory.kernel_tcp or -1) > 0),
        ("swappiness", memory.swappiness is not None),
        ("disableOOMKiller", memory.disable_oom_killer),
        ("useHierarchy", memory.use_hierarchy is False),
    )
    for name, given in refused:
        if given:
            raise refuse(f"memory.{name}", "version 2 of control groups has no such limit")


def _check_usage(memory: Memory, used: int) -> None:
    """Version 2 would take a limit below the usage, and kill for it."""
    for name, limit in (("limit", memory.limit), ("swap", memory.swap)):
        if limit and 0 < limit < used:
            raise refuse(f"memory.{name}", f"{limit} is below what is in use, {used} bytes")


def _swap(memory: Memory, now: dict[str, str]) -> str | None:
    """Of swap alone, where the specification, like version 1, has that of memory and swap together."""
    if not memory.swap:
        return "max" if memory.limit == -1 else None
    if memory.swap == -1:
        return "max"
    limit = memory.limit or (-1 if now.get("memory.max", "max") == "max" else int(now["memory.max"]))
    if limit == -1:
        if memory.limit == -1:
            return str(memory.swap)
        raise refuse("memory.swap", "there is no memory limit to take from memory and swap together")
    if memory.swap < limit:
        raise refuse("memory.swap", f"{memory.swap} of memory and swap is below the memory limit, {limit}")
    return str(memory.swap - limit)


def _cpu(cpu: Cpu | None, now: dict[str, str]) -> Iterator[Write]:
    if cpu is None:
        return
    if cpu.realtime_runtime or cpu.realtime_period:
        raise refuse("cpu.realtimeRuntime", "version 2 of control groups has no such limit")
    if cpu.shares:
        yield _write("cpu", "cpu.weight", weight_of_shares(cpu.shares), "cpu.shares")
    if cpu.quota or cpu.period:
        yield _write("cpu", "cpu.max", _bandwidth(cpu, now), "cpu.quota" if cpu.quota else "cpu.period")
    for name, file, number in (("burst", "cpu.max.burst", cpu.burst), ("idle", "cpu.idle", cpu.idle)):
        if number is not None:
            yield Write("cpu", file, str(number), f"{PATH}.cpu.{name}", optional=number == 0)
    yield from plan_cpuset(cpu)


def _bandwidth(cpu: Cpu, now: dict[str, str]) -> str:
    """What is not asked for stays as it is."""
    quota, period = (now.get("cpu.max") or f"max {_DEFAULT_PERIOD_US}").split()
    return f"{_or_max(cpu.quota) if cpu.quota else quota} {cpu.period or period}"


def weight_of_shares(shares: int) -> int:
    """``cpu.weight`` for ``cpu.shares``: least, default and greatest become each other's.

    The curve through those three is the one that runc since 1.3.2, crun since 1.23 and Kubernetes use
    (https://github.com/kubernetes/kubernetes/issues/131216); the straight line before it made 39 of the default.
    """
    from math import ceil, log2

    shares = max(_SHARES[0], min(shares, _SHARES[1]))
    if shares == _SHARES[0]:
        return _WEIGHTS[0]
    exponent = log2(shares)
    weight = ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34))
    return max(_WEIGHTS[0], min(weight, _WEIGHTS[1]))


def weight_of_block_io(weight: int) -> int:
    """``io.weight``, from 1 to 10,000, for a weight from 10 to 1,000; linear, as in runc and crun."""
    return 1 + (max(weight, 10) - 10) * 9_999 // 990


def _block_io(block_io: BlockIo | None) -> Iterator[Write]:
    if block_io is None:
        return
    if block_io.leaf_weight or any(device.leaf_weight for device in block_io.weight_device):
        raise refuse("blockIO.leafWeight", "version 2 of control groups has no such limit")
    if block_io.weight:
        otherwise = (("io.weight", str(weight_of_block_io(block_io.weight))),)
        yield Write("io", "io.bfq.weight", str(block_io.weight), f"{PATH}.blockIO.weight", otherwise)
    for index, device in enumerate(block_io.weight_device):
        if device.weight:
            otherwise = (("io.weight", device_weight(device, weight_of_block_io(device.weight))),)
            content = device_weight(device, device.weight)
            yield Write("io", "io.bfq.weight", content, f"{PATH}.blockIO.weightDevice[{index}]", otherwise)
    for name, field, key in _THROTTLES:
        for index, throttle in enumerate(getattr(block_io, field)):
            content = f"{throttle.major}:{throttle.minor} {key}={throttle.rate or 'max'}"
            yield _write("io", "io.max", content, f"blockIO.{name}[{index}]")


def _refuse_network(network: NetworkLimits | None) -> None:
    if network is not None and (network.class_id or network.priorities):
        raise refuse("network", "version 2 of control groups has neither net_cls nor net_prio")


def _or_max(number: int) -> str:
    return "max" if number < 0 else str(number)


def _write(controller: str, file: str, content: int | str, place: str) -> Write:
    return Write(controller, file, str(content), f"{PATH}.{place}")
