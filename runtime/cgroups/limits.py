"""What is written to which file of a control group so that ``linux.resources`` holds: a plan, as data.

The order of a plan is the one that works for a new group. In an old one a value can be refused because of another that
is yet to be written (a memory limit above the old limit of memory and swap, a quota below the old burst); whoever makes
the writes tries those again (`runtime.cgroups.writing`).

Zero is what engines written in Go leave unset, so it counts as such (docker writes ``"weight": 0``), except where zero
is an answer: swappiness, burst, idle, huge pages, and a rate, for which it means no limit.
"""

from __future__ import annotations

from runtime.cgroups.hierarchy import CgroupError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spec.resources import Cpu, HugepageLimit, Pids, Rdma, Resources, WeightDevice

PATH = "linux.resources"


class Write(Value):
    """One write: ``content`` into ``file`` of the group's directory of ``controller``, because of ``origin``.

    ``otherwise`` are (file, content) to be tried in turn where the kernel has no such file. If it has none at all, that
    is an error, unless the write is ``optional``: then a kernel without the file does what is asked anyway.
    """

    controller: str
    file: str
    content: str
    origin: str
    otherwise: tuple[tuple[str, str], ...] = ()
    optional: bool = False


def plan_writes(version: int, resources: Resources, now: dict[str, str] | None = None) -> tuple[Write, ...]:
    """All writes but those of devices. ``now`` is what files of version 2 hold that a new value depends on (`NEEDED`).

    Raises `CgroupError`, with the place in the configuration, for what this version of control groups cannot do.
    """
    if version == 1:
        from runtime.cgroups.limits_v1 import plan_v1

        return tuple(plan_v1(resources))
    from runtime.cgroups.limits_v2 import plan_v2

    return tuple(plan_v2(resources, now or {}))


def refuse(origin: str, problem: str) -> CgroupError:
    """An error about a place of the configuration."""
    return CgroupError(f"{PATH}.{origin}: {problem}")


def plan_cpuset(cpu: Cpu) -> Iterator[Write]:
    """The same on both versions."""
    for name, numbers in (("cpus", cpu.cpus), ("mems", cpu.mems)):
        if numbers:
            yield Write("cpuset", f"cpuset.{name}", numbers, f"{PATH}.cpu.{name}")


def plan_pids(pids: Pids | None) -> Iterator[Write]:
    """The same on both versions: -1 is no limit, and 0 is a limit, not its absence (runtime-spec 1.3).

    It is written as 1. Either refuses every fork; but 0 would also refuse version 2 the container's first process,
    which is born in its group.
    """
    if pids is not None and pids.limit is not None:
        limit = "max" if pids.limit < 0 else str(max(pids.limit, 1))
        yield Write("pids", "pids.max", limit, f"{PATH}.pids.limit")


def plan_hugepages(limits: tuple[HugepageLimit, ...], ending: str) -> Iterator[Write]:
    """Reservations where the kernel counts them (Linux 5.7), and page faults, for what is not reserved."""
    for index, limit in enumerate(limits):
        origin = f"{PATH}.hugepageLimits[{index}]"
        name = f"hugetlb.{limit.page_size}"
        yield Write("hugetlb", f"{name}.rsvd.{ending}", str(limit.limit), origin, optional=True)
        yield Write("hugetlb", f"{name}.{ending}", str(limit.limit), origin)


def plan_rdma(limits: tuple[Rdma, ...]) -> Iterator[Write]:
    """One line a device, the same on both versions (cgroup-v2.rst, "RDMA")."""
    for limit in limits:
        named = (("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects))
        content = " ".join(f"{name}={number}" for name, number in named if number is not None)
        yield Write("rdma", "rdma.max", f"{limit.device} {content}", f'{PATH}.rdma["{limit.device}"]')


def device_weight(device: WeightDevice, weight: int) -> str:
    """A line of a file of weights."""
    return f"{device.major}:{device.minor} {weight}"
