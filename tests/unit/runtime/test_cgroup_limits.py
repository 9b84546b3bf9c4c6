"""``linux.resources`` as writes to the files of either version."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.cgroups.hierarchy import CgroupError
from runtime.cgroups.limits import Write, plan_writes
from runtime.cgroups.limits_v2 import weight_of_block_io, weight_of_shares
from runtime.spec.resources import parse_resources

MIB = 1 << 20
EVERYTHING: dict[str, Any] = {
    "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB},
    "cpu": {"shares": 512, "quota": 50_000, "period": 20_000, "burst": 1_000, "cpus": "0-1", "mems": "0", "idle": 1},
    "pids": {"limit": 100},
    "blockIO": {
        "weight": 500,
        "weightDevice": [{"major": 8, "minor": 16, "weight": 300}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 700}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 60}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 0}],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}],
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10_000}, "rxe3": {"hcaObjects": 7}},
}


def plan(version: int, resources: dict[str, Any], **now: str) -> tuple[Write, ...]:
    files = {name.replace("_", "."): content for name, content in now.items()}
    return plan_writes(version, parse_resources(resources, "linux.resources"), files)


def lines(version: int, resources: dict[str, Any], **now: str) -> list[str]:
    return [f"{write.file} = {write.content}" for write in plan(version, resources, **now)]


def test_everything_on_version_1() -> None:
    only_here = {
        "memory": EVERYTHING["memory"]
        | {"swappiness": 0, "disableOOMKiller": True, "useHierarchy": True, "kernelTCP": 9},
        "cpu": EVERYTHING["cpu"] | {"realtimeRuntime": 950, "realtimePeriod": 1_000},
        "network": {"classID": 1_048_577, "priorities": [{"name": "eth0", "priority": 500}]},
    }
    assert lines(1, EVERYTHING | only_here) == [
        "memory.limit_in_bytes = 67108864",
        "memory.memsw.limit_in_bytes = 100663296",
        "memory.soft_limit_in_bytes = 33554432",
        "memory.kmem.tcp.limit_in_bytes = 9",
        "memory.swappiness = 0",
        "memory.oom_control = 1",
        "memory.use_hierarchy = 1",
        "cpu.rt_period_us = 1000",
        "cpu.rt_runtime_us = 950",
        "cpu.shares = 512",
        "cpu.cfs_period_us = 20000",
        "cpu.cfs_quota_us = 50000",
        "cpu.cfs_burst_us = 1000",
        "cpu.idle = 1",
        "cpuset.cpus = 0-1",
        "cpuset.mems = 0",
        "pids.max = 100",
        "blkio.weight = 500",
        "blkio.weight_device = 8:16 300",
        "blkio.throttle.read_bps_device = 8:0 600",
        "blkio.throttle.write_bps_device = 8:0 700",
        "blkio.throttle.read_iops_device = 8:0 60",
        "blkio.throttle.write_iops_device = 8:16 0",
        "hugetlb.2MB.rsvd.limit_in_bytes = 4194304",
        "hugetlb.2MB.limit_in_bytes = 4194304",
        "net_cls.classid = 1048577",
        "net_prio.ifpriomap = eth0 500",
        "rdma.max = mlx5_1 hca_handle=3 hca_object=10000",
        "rdma.max = rxe3 hca_object=7",
    ]


def test_everything_on_version_2() -> None:
    unified = {"unified": {"memory.high": "60000000", "io.max": "8:0 rbps=1\n8:16 wbps=2"}}
    assert lines(2, EVERYTHING | unified) == [
        "memory.swap.max = 33554432",
        "memory.max = 67108864",
        "memory.low = 33554432",
        "cpu.weight = 59",
        "cpu.max = 50000 20000",
        "cpu.max.burst = 1000",
        "cpu.idle = 1",
        "cpuset.cpus = 0-1",
        "cpuset.mems = 0",
        "pids.max = 100",
        "io.bfq.weight = 500",
        "io.bfq.weight = 8:16 300",
        "io.max = 8:0 rbps=600",
        "io.max = 8:0 wbps=700",
        "io.max = 8:0 riops=60",
        "io.max = 8:16 wiops=max",
        "hugetlb.2MB.rsvd.max = 4194304",
        "hugetlb.2MB.max = 4194304",
        "rdma.max = mlx5_1 hca_handle=3 hca_object=10000",
        "rdma.max = rxe3 hca_object=7",
        "memory.high = 60000000",
        "io.max = 8:0 rbps=1",
        "io.max = 8:16 wbps=2",
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_each_write_says_what_asked_for_it(version: int) -> None:
    origins = {write.file: write.origin for write in plan(version, EVERYTHING)}
    assert origins["pids.max"] == "linux.resources.pids.limit"
    assert origins["cpuset.cpus"] == "linux.resources.cpu.cpus"
    assert origins["rdma.max"] == 'linux.resources.rdma["rxe3"]'
    controllers = {write.controller for write in plan(version, EVERYTHING)}
    assert controllers == {"memory", "cpu", "cpuset", "pids", "blkio" if version == 1 else "io", "hugetlb", "rdma"}


@pytest.mark.parametrize("version", [1, 2])
def test_what_an_engine_leaves_at_zero_is_not_asked_for(version: int) -> None:
    resources = {
        "memory": {"limit": 0, "reservation": 0, "swap": 0, "kernel": 0},
        "cpu": {
            "shares": 0,
            "quota": 0,
            "period": 0,
            "realtimeRuntime": 0,
            "realtimePeriod": 0,
            "cpus": "",
            "mems": "",
        },
        "blockIO": {"weight": 0, "leafWeight": 0},
        "network": {"classID": 0},
        "pids": {},
        "unified": {},
    }
    assert plan(version, resources) == ()
    assert plan(version, {}) == ()


def test_the_document_of_a_docker_update() -> None:
    document = {
        "memory": {"limit": 100_663_296, "reservation": 0, "swap": 201_326_592, "kernel": 0},
        "cpu": {"shares": 0, "quota": 25_000, "period": 100_000},
        "blockIO": {"weight": 0},
    }
    assert lines(1, document) == [
        "memory.limit_in_bytes = 100663296",
        "memory.memsw.limit_in_bytes = 201326592",
        "cpu.cfs_period_us = 100000",
        "cpu.cfs_quota_us = 25000",
    ]
    assert lines(2, document) == [
        "memory.swap.max = 100663296",
        "memory.max = 100663296",
        "cpu.max = 25000 100000",
    ]


@pytest.mark.parametrize(("limit", "written"), [(-1, "max"), (0, "1"), (1, "1"), (77, "77")])
def test_the_limit_of_processes(limit: int, written: str) -> None:
    for version in (1, 2):
        assert lines(version, {"pids": {"limit": limit}}) == [f"pids.max = {written}"]


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({"limit": -1}, ["memory.swap.max = max", "memory.max = max"]),
        ({"limit": 10, "swap": -1}, ["memory.swap.max = max", "memory.max = 10"]),
        ({"limit": 10, "swap": 10}, ["memory.swap.max = 0", "memory.max = 10"]),
        ({"limit": 10}, ["memory.max = 10"]),
        ({"limit": -1, "swap": 30}, ["memory.swap.max = 30", "memory.max = max"]),
        ({"swap": -1}, ["memory.swap.max = max"]),
        ({"reservation": -1}, ["memory.low = max"]),
    ],
)
def test_swap_on_version_2_is_without_the_memory(memory: dict[str, int], expected: list[str]) -> None:
    assert lines(2, {"memory": memory}) == expected


def test_swap_alone_goes_by_the_limit_that_is() -> None:
    assert lines(2, {"memory": {"swap": 30}}, memory_max="10") == ["memory.swap.max = 20"]
    with pytest.raises(CgroupError, match=r"^linux\.resources\.memory\.swap: there is no memory limit to take from"):
        plan(2, {"memory": {"swap": 30}}, memory_max="max")
    with pytest.raises(CgroupError, match=r"^linux\.resources\.memory\.swap: 5 of memory and swap is below .* 10$"):
        plan(2, {"memory": {"swap": 5, "limit": 10}})


def test_no_limit_of_memory_on_version_1_is_none_of_swap_either() -> None:
    writes = plan(1, {"memory": {"limit": -1}})
    assert [(write.file, write.content, write.optional) for write in writes] == [
        ("memory.limit_in_bytes", "-1", True),
        ("memory.memsw.limit_in_bytes", "-1", True),
    ]


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"quota": 5_000}, "5000 200000"),
        ({"period": 50_000}, "7000 50000"),
        ({"quota": -1}, "max 200000"),
        ({"quota": -1, "period": 50_000}, "max 50000"),
    ],
)
def test_quota_and_period_leave_each_other_alone(cpu: dict[str, int], expected: str) -> None:
    assert lines(2, {"cpu": cpu}, cpu_max="7000 200000") == [f"cpu.max = {expected}"]


def test_a_check_before_the_update_refuses_what_is_below_the_usage() -> None:
    memory = {"limit": 10, "checkBeforeUpdate": True}
    assert lines(2, {"memory": memory}, memory_current="10") == ["memory.max = 10"]
    with pytest.raises(CgroupError, match=r"^linux\.resources\.memory\.limit: 10 is below what is in use, 11 bytes$"):
        plan(2, {"memory": memory}, memory_current="11")
    assert lines(1, {"memory": memory}) == ["memory.limit_in_bytes = 10"]  # there the kernel does it


@pytest.mark.parametrize(
    ("resources", "place"),
    [
        ({"memory": {"swappiness": 0}}, "memory.swappiness"),
        ({"memory": {"disableOOMKiller": True}}, "memory.disableOOMKiller"),
        ({"memory": {"useHierarchy": False}}, "memory.useHierarchy"),
        ({"memory": {"kernel": 1}}, "memory.kernel"),
        ({"memory": {"kernelTCP": 1}}, "memory.kernelTCP"),
        ({"cpu": {"realtimePeriod": 1}}, "cpu.realtimeRuntime"),
        ({"blockIO": {"leafWeight": 10}}, "blockIO.leafWeight"),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 10}]}}, "blockIO.leafWeight"),
        ({"network": {"classID": 1}}, "network"),
        ({"network": {"priorities": [{"name": "eth0", "priority": 1}]}}, "network"),
    ],
)
def test_what_version_2_cannot_do_is_refused_by_name(resources: dict[str, Any], place: str) -> None:
    with pytest.raises(CgroupError, match=rf"^linux\.resources\.{place}: version 2 of control groups has n"):
        plan(2, resources)
    assert plan(1, resources)


def test_what_version_2_does_anyway_is_not_refused() -> None:
    memory = {"useHierarchy": True, "disableOOMKiller": False, "kernel": -1, "kernelTCP": -1}
    assert plan(2, {"memory": memory}) == ()


def test_files_of_version_2_are_refused_on_version_1() -> None:
    with pytest.raises(CgroupError, match=r"^linux\.resources\.unified: there is only version 1"):
        plan(1, {"unified": {"memory.high": "1"}})


@pytest.mark.parametrize(
    ("shares", "weight"), [(1, 1), (2, 1), (3, 2), (1_024, 100), (2_000, 170), (262_144, 10_000), (1 << 60, 10_000)]
)
def test_shares_become_weights(shares: int, weight: int) -> None:
    assert weight_of_shares(shares) == weight


def test_more_shares_are_never_less_weight() -> None:
    weights = [weight_of_shares(shares) for shares in range(2, 20_000, 7)]
    assert weights == sorted(weights)


@pytest.mark.parametrize(("weight", "converted"), [(10, 1), (500, 4950), (1_000, 10_000), (5, 1)])
def test_weights_of_block_devices_are_stretched(weight: int, converted: int) -> None:
    assert weight_of_block_io(weight) == converted
    (write,) = plan(2, {"blockIO": {"weight": weight}})
    assert write.otherwise == (("io.weight", str(converted)),)
