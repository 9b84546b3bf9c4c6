"""What only version 1 of control groups has, or has otherwise, and what a hybrid host has of both."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.cgroups.devicefilter import NAME, attach_filter
from runtime.cgroups.group import ContainerCgroup
from runtime.cgroups.hierarchy import UNIFIED, CgroupError
from runtime.linux import bpf
from runtime.spec.resources import DeviceRule
from tests.support.groups import MIB, made_group, new_path, resources, run, start
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.needs("version 1 of control groups")]
HYBRID = pytest.mark.needs("version 2 beside version 1 of control groups")

DENIED = [DeviceRule(False)]
TRY_TO_READ = "while :; do { true < /dev/kmsg; } 2>/dev/null && echo read; done"


def content(group: ContainerCgroup, controller: str, file: str) -> str:
    return (Path(group.paths[controller]) / file).read_text().strip()


def block_device() -> str:
    """Its numbers; every host that has a file system on one can throttle it."""
    (first, *_) = sorted(Path("/sys/block").iterdir())
    return (first / "dev").read_text().strip()


def test_limits_are_what_the_files_hold() -> None:
    memory = {"limit": 32 * MIB, "swap": 48 * MIB, "reservation": 16 * MIB, "swappiness": 7, "disableOOMKiller": True}
    cpu = {"shares": 300, "quota": 20_000, "period": 50_000, "burst": 5_000, "cpus": "0", "mems": "0"}
    with made_group(memory=memory, cpu=cpu, pids={"limit": 12}) as group:
        found = {file: content(group, "memory", f"memory.{file}") for file in (
            "limit_in_bytes", "memsw.limit_in_bytes", "soft_limit_in_bytes", "swappiness"
        )}  # fmt: skip
        assert found == {
            "limit_in_bytes": str(32 * MIB),
            "memsw.limit_in_bytes": str(48 * MIB),
            "soft_limit_in_bytes": str(16 * MIB),
            "swappiness": "7",
        }
        assert "oom_kill_disable 1" in content(group, "memory", "memory.oom_control")
        files = ("cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us")
        assert [content(group, "cpu", file) for file in files] == ["300", "20000", "50000", "5000"]
        assert [content(group, "cpuset", file) for file in ("cpuset.cpus", "cpuset.mems")] == ["0", "0"]
        assert content(group, "pids", "pids.max") == "12"


def test_block_devices_are_throttled() -> None:
    device = block_device()
    major, minor = map(int, device.split(":"))
    rates: dict[str, Any] = {
        f"throttle{direction}{unit}Device": [{"major": major, "minor": minor, "rate": rate}]
        for direction, unit, rate in (
            ("Read", "Bps", 1 << 20),
            ("Write", "Bps", 2 << 20),
            ("Read", "IOPS", 30),
            ("Write", "IOPS", 40),
        )
    }
    with made_group(blockIO=rates) as group:
        named = (("read_bps", 1 << 20), ("write_bps", 2 << 20), ("read_iops", 30), ("write_iops", 40))
        for name, rate in named:
            assert content(group, "blkio", f"blkio.throttle.{name}_device") == f"{device} {rate}"
        group.update(resources(blockIO={"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 0}]}))
        assert content(group, "blkio", "blkio.throttle.read_bps_device") == ""
        assert content(group, "blkio", "blkio.throttle.write_bps_device") == f"{device} {2 << 20}"


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    rates = [{"major": 4095, "minor": 1, "rate": 1}]
    group = ContainerCgroup.resolve(new_path(), "test")
    with pytest.raises(
        CgroupError, match=r"^linux\.resources\.blockIO\.throttleReadBpsDevice\[0\]: write 4095:1 1 to "
    ):
        group.create(resources(blockIO={"throttleReadBpsDevice": rates}))
    assert not any(Path(directory).exists() for directory in group.directories)


def test_a_swap_limit_below_the_memory_limit_is_refused() -> None:
    with made_group(memory={"limit": 32 * MIB, "swap": 32 * MIB}) as group:
        with pytest.raises(
            CgroupError, match=r"^linux\.resources\.memory\.limit: write 67108864 to .*: invalid argument$"
        ):
            group.update(resources(memory={"limit": 64 * MIB}))
        with pytest.raises(
            CgroupError, match=r"^linux\.resources\.memory\.swap: write 16777216 to .*: invalid argument$"
        ):
            group.update(resources(memory={"swap": 16 * MIB}))
        assert group.stats()["memory"]["usage"]["limit"] == 32 * MIB


def test_a_limit_below_the_usage_is_refused_and_says_how_much_is_used() -> None:
    script = "exec dd if=/dev/zero of=/dev/null bs=40M count=100000"
    with made_group(memory={"swappiness": 0}) as group, start(group, script):
        assert eventually(lambda: group.stats()["memory"]["usage"]["usage"] > 40 * MIB)
        with pytest.raises(CgroupError, match=r"^linux\.resources\.memory\.limit: .*busy, \d+ bytes are in use$"):
            group.update(resources(memory={"limit": 1 * MIB}))


def test_files_of_version_2_are_refused() -> None:
    with pytest.raises(CgroupError, match=r"^linux\.resources\.unified: there is only version 1"):
        ContainerCgroup.resolve(new_path(), "test").create(resources(unified={"memory.high": "1"}))


def test_a_cpuset_works_below_parents_that_had_none() -> None:
    path = new_path()
    with made_group(f"{path}/parent") as parent:
        for name in ("cpuset.mems", "cpuset.cpus"):
            (Path(parent.paths["cpuset"]) / name).write_text("\n")
        with made_group(f"{path}/parent/pod/one") as group:
            assert run(group, "echo in") == (0, "in\n")
            everything = Path(parent.paths["cpuset"]).parents[1]
            assert content(group, "cpuset", "cpuset.cpus") == (everything / "cpuset.cpus").read_text().strip()


def test_figures_are_those_of_the_group() -> None:
    with made_group(memory={"limit": 64 * MIB}, pids={"limit": 20}) as group:
        run(group, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 4000000 /bin/busybox > /dev/null")
        figures = group.stats()
        usage = figures["cpu"]["usage"]
        assert usage["total"] == sum(usage["percpu"])
        assert len(usage["percpu_user"]) == len(usage["percpu_kernel"]) == os.cpu_count()
        assert usage["user"] + usage["kernel"] > 0  # in ticks of the clock, so not quite the total
        assert usage["total"] > 1_000_000
        memory = figures["memory"]
        assert memory["usage"]["limit"] == 64 * MIB
        assert 0 < memory["usage"]["usage"] <= memory["usage"]["max"]
        assert memory["cache"] == memory["raw"]["cache"]
        assert figures["pids"] == {"current": 0, "limit": 20}
        assert figures["cpuset"]["mems"] == [0]


def test_all_of_an_update_of_devices_denies_what_both_lists_deny() -> None:
    """The process tries all the time; in between there is no moment in which it may."""
    lists = [[{"allow": False, "access": "rwm"}], [{"allow": False, "access": "rwm"}, {"allow": True, "type": "b"}]]
    with made_group(devices=lists[0]) as group, start(group, TRY_TO_READ) as process:
        for number in range(100):
            group.update(resources(devices=lists[number % 2]))
        assert process.poll() is None
        group.kill()
        assert process.communicate(timeout=30)[0] == ""


@pytest.fixture
def unified() -> Iterator[ContainerCgroup]:
    """A container that is in version 2 only: its devices are a program's business."""
    whole = ContainerCgroup.resolve(new_path(), "test")
    group = ContainerCgroup(1, {UNIFIED: whole.paths[UNIFIED]})
    group.create(resources(devices=[{"allow": False, "access": "rwm"}]))
    yield group
    group.kill()
    assert eventually(lambda: group.pids() == ())
    group.delete()


def names(group: ContainerCgroup) -> list[str]:
    fd = os.open(group.paths[UNIFIED], os.O_RDONLY)
    try:
        programs = [bpf.open_program(number) for number in bpf.attached_device_programs(fd)]
        found = [bpf.program_name(program) for program in programs]
        for program in programs:
            os.close(program)
        return found
    finally:
        os.close(fd)


@HYBRID
def test_a_program_decides_about_devices_and_an_update_replaces_it(unified: ContainerCgroup) -> None:
    attempt = "{ true < /dev/kmsg; } 2>/dev/null && echo read; { true > /dev/null; } && echo null"
    assert run(unified, attempt)[1] == "null\n"
    assert names(unified) == [NAME]
    kmsg = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    unified.update(resources(devices=[{"allow": False, "access": "rwm"}, kmsg]))
    assert names(unified) == [NAME]
    assert run(unified, attempt)[1] == "read\nnull\n"


@HYBRID
def test_replacing_a_program_opens_nothing(unified: ContainerCgroup) -> None:
    with start(unified, TRY_TO_READ) as process:
        for _ in range(200):
            attach_filter(unified.paths[UNIFIED], DENIED)
        assert process.poll() is None
        unified.kill()
        assert process.communicate(timeout=30)[0] == ""


@HYBRID
def test_programs_of_others_stay_and_several_of_ours_become_one(unified: ContainerCgroup) -> None:
    allow = b"\xb7\x00\x00\x00\x01\x00\x00\x00" + b"\x95" + bytes(7)
    group = os.open(unified.paths[UNIFIED], os.O_RDONLY)
    try:
        for name in ("somebody_elses", NAME):
            program = bpf.load_device_program(allow, name)
            bpf.attach_device_program(group, program)
            os.close(program)
    finally:
        os.close(group)
    attach_filter(unified.paths[UNIFIED], DENIED)
    assert sorted(names(unified)) == ["somebody_elses", NAME]
    assert run(unified, "{ true < /dev/kmsg; } 2>/dev/null && echo read")[1] == ""


@HYBRID
def test_who_is_in_the_groups_of_version_1_alone_is_killed_too() -> None:
    with made_group() as group, start(group, "exec sleep 1000") as process:
        (Path(group.paths[UNIFIED]).parent / "cgroup.procs").write_text(str(process.pid))
        group.freeze()
        group.kill()
        assert process.wait(timeout=30) == -signal.SIGKILL
