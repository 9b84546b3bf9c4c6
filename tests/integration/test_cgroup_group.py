"""A container's control group, on whichever version this host has: made, limited, entered, stopped, ended, removed."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from runtime.cgroups.freezer import Freezer
from runtime.cgroups.group import ContainerCgroup
from runtime.cgroups.hierarchy import UNIFIED, CgroupError, parse_mounts, read_mountinfo
from runtime.cgroups.members import signal_all
from runtime.spec.reader import SpecError
from tests.support.groups import MIB, made_group, new_path, removed_afterwards, resources, run, start
from tests.support.waiting import eventually

pytestmark = pytest.mark.root

# Eight that live only until their child does: whoever is listed is gone before it can be killed.
FORKS = """
import os
for _ in range(3):
    os.fork()
while True:
    if os.fork():
        os._exit(0)
"""
EVADING = f"exec {sys.executable} -I -S -c '{FORKS}'"


def test_a_group_is_made_in_every_hierarchy_and_removed() -> None:
    with made_group() as group:
        assert group.directories
        assert all(Path(directory).is_dir() for directory in group.directories)
        assert len(group.directories) == len(parse_mounts(read_mountinfo())) or group.version == 2
    group.delete()
    assert not any(Path(directory).exists() for directory in group.directories)


def test_it_is_found_again_from_its_json() -> None:
    with made_group() as group, start(group, "exec sleep 1000") as process:
        again = ContainerCgroup.from_json(json.loads(json.dumps(group.to_json())))
        assert again.pids() == (process.pid,)
        again.kill()
        process.wait(timeout=30)
        again.delete()
        assert not any(Path(directory).exists() for directory in group.directories)


def test_the_default_group_leaves_not_even_its_parent() -> None:
    group = ContainerCgroup.resolve(None, f"test-{os.getpid()}")
    others = {path for path in (os.path.dirname(path) for path in group.directories) if Path(path).exists()}
    group.create(resources())
    with removed_afterwards(group):
        assert all(f"/tare-runtime/test-{os.getpid()}" in directory for directory in group.directories)
    left = {str(Path(path).parent) for path in group.directories if Path(path).parent.exists()}
    assert left <= others


def test_missing_parents_are_made() -> None:
    path = new_path()
    with made_group(f"{path}/pod/one", cpu={"cpus": "0"}) as group:
        assert run(group, "cat /proc/self/cgroup")[1].count(f"{path}/pod/one") == len(group.directories)


def test_a_child_is_in_all_of_it_from_its_first_instruction_on() -> None:
    with made_group() as group:
        status, output = run(group, "cat /proc/self/cgroup")
    assert status == 0
    name = Path(group.directories[0]).name
    assert len([line for line in output.splitlines() if line.endswith(f"/{name}")]) == len(group.directories)


def test_a_group_with_processes_is_not_taken() -> None:
    with made_group() as group, start(group, "exec sleep 1000") as process:
        with pytest.raises(CgroupError, match=r"^take cgroup .*: 1 processes are in it already$"):
            ContainerCgroup(group.version, group.paths).create(resources())
        assert process.poll() is None


def test_an_empty_one_is() -> None:
    with made_group() as group:
        again = ContainerCgroup(group.version, group.paths)
        again.create(resources(pids={"limit": 7}))
        assert again.stats()["pids"]["limit"] == 7


def test_a_frozen_one_is_not() -> None:
    with made_group() as group:
        group.freeze()
        with pytest.raises(CgroupError, match=r"^take cgroup .*: it is frozen$"):
            ContainerCgroup(group.version, group.paths).create(resources())


def test_what_cannot_be_made_leaves_nothing_behind() -> None:
    group = ContainerCgroup.resolve(new_path(), "test")
    with pytest.raises(CgroupError, match=r"^linux\.resources\.cpu\.cpus: write 4096 to .*/cpuset\.cpus: "):
        group.create(resources(cpu={"cpus": "4096"}))
    assert not any(Path(directory).exists() for directory in group.directories)


def test_parents_that_were_made_in_vain_are_removed() -> None:
    path = new_path()
    group = ContainerCgroup.resolve(f"{path}/{'x' * 5_000}", "test")  # longer than a path can be
    with pytest.raises(CgroupError, match=r"^create cgroup .*: file name too long$"):
        group.create(resources())
    assert not any(Path(directory).parent.exists() for directory in group.directories)


def test_the_group_of_all_processes_is_nobodys() -> None:
    with pytest.raises(SpecError, match=r"^linux\.cgroupsPath: "):
        ContainerCgroup.resolve("/", "test")


def test_a_limit_of_processes_stops_a_fork() -> None:
    with made_group(pids={"limit": 4}) as group:
        status, output = run(group, "for i in 1 2 3 4 5 6; do sleep 1 & done; echo all")
        assert "fork" in output.lower() or status != 0
        assert group.stats()["pids"]["limit"] == 4
        group.kill()
        group.update(resources(pids={"limit": -1}))
        assert group.stats()["pids"]["limit"] == 0
        assert eventually(lambda: group.pids() == ())
        assert run(group, "for i in 1 2 3 4 5 6; do sleep 0 & done; wait; echo all") == (0, "all\n")


def test_memory_that_runs_out_ends_the_process_and_is_told() -> None:
    with made_group(memory={"limit": 16 * MIB, "swap": 16 * MIB}) as group, group.watch_oom() as watch:
        assert group.oom_kills() == 0
        assert watch.wait(0) == 0
        poller = select.poll()
        poller.register(watch.fd, watch.mask)
        with start(group, "exec dd if=/dev/zero of=/dev/null bs=64M count=1") as process:
            assert poller.poll(60_000)
            assert eventually(lambda: (watch.wait(0) or 0) >= 1)
            assert process.wait(timeout=60) == -signal.SIGKILL
        assert eventually(lambda: group.oom_kills() == 1)
        assert group.stats()["memory"]["usage"]["limit"] == 16 * MIB


def test_a_watch_ends_with_its_group() -> None:
    with made_group(memory={"limit": 16 * MIB}) as group, group.watch_oom() as watch:
        group.delete()
        deadline = time.monotonic() + 30
        while watch.wait(1) is not None:
            assert time.monotonic() < deadline
        assert group.oom_kills() == 0


def test_an_update_changes_what_is_given_and_no_more() -> None:
    with made_group(memory={"limit": 64 * MIB, "swap": 128 * MIB}, pids={"limit": 9}) as group:
        for limit, swap in ((96 * MIB, 192 * MIB), (256 * MIB, 256 * MIB), (32 * MIB, 48 * MIB), (40 * MIB, 40 * MIB)):
            group.update(resources(memory={"limit": limit, "swap": swap, "reservation": 0, "kernel": 0}))
            memory = group.stats()["memory"]
            assert (memory["usage"]["limit"], memory["swap"]["limit"]) == (limit, swap)
        group.update(resources(memory={"limit": -1}))
        assert group.stats()["memory"]["usage"]["limit"] > 1 << 60
        assert group.stats()["pids"]["limit"] == 9


def test_processors_are_bound_and_throttled() -> None:
    with made_group(cpu={"quota": 2_000, "period": 20_000, "cpus": "0", "shares": 100}) as group:
        _, output = run(group, "grep Cpus_allowed_list /proc/self/status; timeout 1 sh -c 'while :; do :; done'")
        assert output.split()[1] == "0"
        figures = group.stats()
        assert figures["cpuset"]["cpus"] == [0]
        assert figures["cpu"]["throttling"]["throttledPeriods"] > 0
        assert 0 < figures["cpu"]["usage"]["total"] < 900_000_000


def test_a_period_shorter_than_the_quota_before_is_taken() -> None:
    with made_group(cpu={"quota": 500_000, "period": 500_000}) as group:
        group.update(resources(cpu={"quota": 5_000, "period": 10_000, "burst": 4_000}))
        group.update(resources(cpu={"quota": 2_000, "burst": 1_000}))
        group.update(resources(cpu={"idle": 1, "shares": 50}))
        group.update(resources(cpu={"idle": 0, "shares": 60}))


def test_what_is_frozen_does_nothing_until_it_is_thawed(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    with made_group() as group, start(group, f"while :; do echo x >> {counter}; sleep 0.01; done"):
        assert eventually(lambda: counter.exists() and counter.stat().st_size > 10)
        group.freeze()
        assert group.is_frozen()
        size = counter.stat().st_size
        time.sleep(0.3)
        assert counter.stat().st_size == size
        group.thaw()
        assert not group.is_frozen()
        assert eventually(lambda: counter.stat().st_size > size)


def test_a_group_whose_parent_is_frozen_was_not_frozen_itself() -> None:
    path = new_path()
    with made_group(path) as parent, made_group(f"{path}/child") as child:
        parent.freeze()
        assert parent.is_frozen()
        assert not child.is_frozen()
        parent.thaw()


def test_processes_in_groups_of_the_containers_own_are_its_own() -> None:
    path = new_path()
    with (
        made_group(path) as group,
        made_group(f"{path}/inner/deep") as inner,
        start(inner, "exec sleep 1000") as process,
    ):
        assert group.pids() == (process.pid,)
        group.kill()
        assert process.wait(timeout=30) == -signal.SIGKILL
        group.delete()
        assert not any(Path(directory).exists() for directory in group.directories)


def kill_all(group: ContainerCgroup, *, by_kernel: bool) -> None:
    """By the kernel's cgroup.kill, or as where it has none."""
    if by_kernel:
        group.kill()
        return
    directory = group.paths.get("freezer", group.directories[0])
    signal_all(directory, signal.SIGKILL, Freezer(group.version, directory))


@pytest.mark.parametrize("by_kernel", [True, False])
def test_those_that_fork_all_the_time_are_ended(by_kernel: bool) -> None:
    with made_group(pids={"limit": 2_000}, cpu={"shares": 2}) as group, start(group, EVADING) as process:
        process.wait(timeout=30)
        assert eventually(lambda: group.pids() != ())
        kill_all(group, by_kernel=by_kernel)
        assert eventually(lambda: group.pids() == ())


@pytest.mark.parametrize("by_kernel", [True, False])
def test_what_is_frozen_can_be_killed(by_kernel: bool) -> None:
    with made_group() as group, start(group, "sleep 1000 & sleep 1000") as process:
        assert eventually(lambda: len(group.pids()) > 1)
        group.freeze()
        kill_all(group, by_kernel=by_kernel)
        assert process.wait(timeout=30) == -signal.SIGKILL
        assert eventually(lambda: group.pids() == ())
        assert by_kernel or not group.is_frozen()


def programs(group: ContainerCgroup) -> list[str]:
    return [Path(f"/proc/{pid}/comm").read_text().strip() for pid in group.pids()]


def test_any_signal_reaches_all() -> None:
    script = "trap 'echo got it; exit 3' TERM; echo ready; sleep 1000 & wait"
    with made_group() as group, start(group, script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert eventually(lambda: "sleep" in programs(group))
        group.kill(signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == "got it\n"
        assert process.returncode == 3
        assert eventually(lambda: group.pids() == ())


def test_a_signal_does_not_thaw_what_was_frozen() -> None:
    """One that is fatal ends a process frozen by version 2 all the same (cgroup-v2.rst); one that is caught waits."""
    with made_group() as group, start(group, "trap 'exit 3' TERM; echo ready; sleep 1000 & wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert eventually(lambda: "sleep" in programs(group))
        group.freeze()
        group.kill(signal.SIGTERM)
        assert group.is_frozen()
        assert process.poll() is None
        group.thaw()
        assert process.wait(timeout=30) == 3


def test_a_group_with_processes_is_not_removed() -> None:
    with made_group() as group, start(group, "exec sleep 1000") as process:
        with pytest.raises(CgroupError, match=r"^remove cgroup .*: device or resource busy$"):
            group.delete()
        assert process.poll() is None


def test_another_child_comes_to_where_the_containers_processes_are() -> None:
    path = new_path()
    with made_group(path) as group, made_group(f"{path}/inner") as inner, start(inner, "exec sleep 1000") as process:
        assert born_in(group, process.pid) == (inner if group.version == 2 else group).paths.get(UNIFIED)
        assert born_in(group, None) == group.paths.get(UNIFIED)


def born_in(group: ContainerCgroup, beside: int | None) -> str | None:
    with group.entrance(beside) as entrance:
        return None if entrance.directory is None else str(Path(f"/proc/self/fd/{entrance.directory}").readlink())


def test_who_may_not_make_a_group_does_without_if_nothing_is_asked() -> None:
    os.seteuid(65534)
    try:
        group = ContainerCgroup.resolve(None, "test", rootless=True)
        group.create(resources(devices=[{"allow": False, "access": "rwm"}]))
        assert group.directories == ()
        with pytest.raises(CgroupError, match=r"^linux\.resources\.pids\.limit: controller pids is not there"):
            ContainerCgroup.resolve(None, "test", rootless=True).create(resources(pids={"limit": 3}))
        for asked in (
            ContainerCgroup.resolve(new_path(), "test", rootless=True),
            ContainerCgroup.resolve(None, "test"),
        ):
            with pytest.raises(CgroupError, match=r"permission denied$"):
                asked.create(resources())
    finally:
        os.seteuid(0)


def test_what_is_gone_can_be_killed_and_removed_again() -> None:
    with made_group() as group:
        group.delete()
        group.kill()
        group.kill(signal.SIGTERM)
        group.delete()
        assert group.pids() == ()
        assert not group.is_frozen()
        assert group.oom_kills() == 0


def test_only_the_devices_of_the_list_can_be_opened() -> None:
    everything_denied = [{"allow": False, "access": "rwm"}]
    kmsg = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    attempt = "{ true < /dev/kmsg; } 2>/dev/null && echo read; { true >> /dev/kmsg; } 2>/dev/null && echo written"
    with made_group(devices=everything_denied) as group:
        assert run(group, f"echo x > /dev/null && head -c1 /dev/zero | wc -c; {attempt}")[1] == "1\n"
        group.update(resources(devices=[*everything_denied, kmsg]))
        assert run(group, attempt)[1] == "read\n"
        group.update(resources(devices=[{"allow": True, "access": "rwm"}]))
        assert run(group, attempt)[1] == "read\nwritten\n"
        group.update(resources(pids={"limit": 50}))  # says nothing of devices
        assert run(group, attempt)[1] == "read\nwritten\n"
        group.update(resources(devices=everything_denied))
        assert run(group, attempt)[1] == ""


def test_a_node_can_be_made_of_a_device_that_cannot_be_used(tmp_path: Path) -> None:
    with made_group() as group:
        status, output = run(group, f"mknod {tmp_path}/node c 1 11 && cat {tmp_path}/node")
        assert status != 0
        assert "ermitted" in output
        assert (tmp_path / "node").is_char_device()


def test_a_container_without_a_group_has_nothing_to_stop_or_to_tell() -> None:
    group = ContainerCgroup(1, {}, rootless=True)
    group.create(resources())
    with group.entrance() as entrance:
        assert entrance.tasks == ()
        assert entrance.directory is None
    assert group.pids() == ()
    assert group.stats() == {}
    with pytest.raises(CgroupError, match="freeze a container: it is in no cgroup"):
        group.freeze()
    with pytest.raises(CgroupError, match=r"^linux\.resources\.pids\.limit: controller pids is not there"):
        group.update(resources(pids={"limit": 3}))
    group.kill()
    group.delete()
