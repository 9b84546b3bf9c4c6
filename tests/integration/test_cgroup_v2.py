"""What only version 2 of control groups has, or has otherwise. A guest runs it: hypervisor/test_vm_groups.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cgroups.group import ContainerCgroup
from runtime.cgroups.hierarchy import UNIFIED, CgroupError
from tests.support.groups import MIB, made_group, new_path, resources, run, start
from tests.support.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.needs("version 2 of control groups alone")]


def content(group: ContainerCgroup, file: str) -> str:
    return (Path(group.paths[UNIFIED]) / file).read_text().strip()


def test_limits_are_what_the_files_hold() -> None:
    memory = {"limit": 32 * MIB, "swap": 48 * MIB, "reservation": 16 * MIB}
    cpu = {"shares": 2_000, "quota": 20_000, "period": 50_000, "burst": 5_000, "cpus": "0", "mems": "0"}
    limits = [{"pageSize": "2MB", "limit": 4 * MIB}]
    with made_group(memory=memory, cpu=cpu, pids={"limit": 12}, hugepageLimits=limits) as group:
        files = ("memory.max", "memory.swap.max", "memory.low", "cpu.weight", "cpu.max", "cpu.max.burst", "pids.max")
        numbers = [str(32 * MIB), str(16 * MIB), str(16 * MIB), "170", "20000 50000", "5000", "12"]
        assert [content(group, file) for file in files] == numbers
        assert [content(group, f"cpuset.{name}") for name in ("cpus", "mems")] == ["0", "0"]
        assert [content(group, f"hugetlb.2MB.{name}") for name in ("max", "rsvd.max")] == [str(4 * MIB)] * 2


def test_an_update_goes_by_what_is() -> None:
    with made_group(memory={"limit": 32 * MIB}, cpu={"quota": 20_000, "period": 50_000}) as group:
        group.update(resources(memory={"swap": 40 * MIB}, cpu={"period": 25_000}))
        assert content(group, "memory.swap.max") == str(8 * MIB)
        assert content(group, "cpu.max") == "20000 25000"
        group.update(resources(cpu={"quota": -1}))
        assert content(group, "cpu.max") == "max 25000"


def test_files_are_written_as_they_are_given() -> None:
    with made_group(unified={"memory.high": "12345344", "pids.max": "7", "cgroup.max.depth": "3"}) as group:
        assert [content(group, file) for file in ("memory.high", "pids.max", "cgroup.max.depth")] == [
            "12345344",
            "7",
            "3",
        ]


def test_each_line_is_a_write_of_its_own() -> None:
    device = next(path for path in sorted(Path("/sys/block").iterdir()) if (path / "size").read_text() != "0\n")
    number = (device / "dev").read_text().strip()
    with made_group(unified={"io.max": f"{number} rbps=2097152\n{number} wiops=120"}) as group:
        assert content(group, "io.max") == f"{number} rbps=2097152 wbps=max riops=max wiops=120"
        major, minor = map(int, number.split(":"))
        rates = [{"major": major, "minor": minor, "rate": 0}]
        group.update(resources(blockIO={"throttleReadBpsDevice": rates}))
        assert content(group, "io.max") == f"{number} rbps=max wbps=max riops=max wiops=120"


@pytest.mark.parametrize(
    ("unified", "problem"),
    [
        ({"nosuch.limit": "1"}, r"^find cgroup controller nosuch: not available in "),
        (
            {"memory.nosuch": "1"},
            r'^linux\.resources\.unified\["memory\.nosuch"\]: this kernel has no memory\.nosuch in ',
        ),
        ({"pids.max": "many"}, r'^linux\.resources\.unified\["pids\.max"\]: write many to .*: invalid argument$'),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(unified: dict[str, str], problem: str) -> None:
    group = ContainerCgroup.resolve(new_path(), "test")
    with pytest.raises(CgroupError, match=problem):
        group.create(resources(unified=unified))
    assert not any(Path(directory).exists() for directory in group.directories)


def test_a_group_with_processes_hands_no_controller_down() -> None:
    path = new_path()
    with made_group(path) as above, start(above, "exec sleep 1000"):
        group = ContainerCgroup.resolve(f"{path}/child", "test")
        with pytest.raises(CgroupError, match=r"^hand controller memory down from .*: it has processes of its own"):
            group.create(resources(memory={"limit": MIB}))
        assert not any(Path(directory).exists() for directory in group.directories)
        assert content(above, "cgroup.type") == "domain"
        with made_group(f"{path}/child", devices=[{"allow": False}]) as unlimited:
            assert run(unlimited, "echo in") == (0, "in\n")
        assert content(above, "cgroup.type") == "domain"


def test_a_check_before_the_update_saves_the_processes() -> None:
    with made_group(memory={"limit": 96 * MIB}) as group:
        with start(group, "exec dd if=/dev/zero of=/dev/null bs=40M count=100000") as process:
            assert eventually(lambda: group.stats()["memory"]["usage"]["usage"] > 40 * MIB)
            with pytest.raises(
                CgroupError, match=r"^linux\.resources\.memory\.limit: 1048576 is below what is in use, "
            ):
                group.update(resources(memory={"limit": MIB, "checkBeforeUpdate": True}))
            assert process.poll() is None
        assert group.stats()["memory"]["usage"]["limit"] == 96 * MIB


def test_a_group_is_given_to_a_user_without_its_limits() -> None:
    with made_group(pids={"limit": 5}) as group:
        group.give_to(65534)
        directory = Path(group.paths[UNIFIED])
        owners = {name: (directory / name).stat().st_uid for name in ("", "cgroup.procs", "cgroup.subtree_control")}
        assert owners == dict.fromkeys(owners, 65534)
        assert (directory / "pids.max").stat().st_uid == 0


def test_figures_are_those_of_the_group() -> None:
    with made_group(memory={"limit": 64 * MIB}) as group:
        run(group, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 1000000 /dev/zero > /dev/null")
        figures = group.stats()
        usage = figures["cpu"]["usage"]
        assert usage["total"] >= usage["user"] + usage["kernel"] > 1_000_000
        assert figures["memory"]["usage"]["limit"] == 64 * MIB
        assert 0 < figures["memory"]["usage"]["usage"] <= figures["memory"]["usage"]["max"]
        if Path("/proc/pressure/cpu").exists():
            assert set(figures["cpu"]["psi"]["some"]) == {"avg10", "avg60", "avg300", "total"}
