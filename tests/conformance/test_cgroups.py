"""Control groups: the path, every limit, and the operations on them (config-linux.md, "Control groups")."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundle import MARK, Bundle, wait_until
from tests.support.leftovers import cgroups, mountinfo

MIB = 1 << 20


def hierarchies() -> dict[str, Path]:
    """Where every controller of version 1 is mounted, and version 2 as the empty name."""
    found: dict[str, Path] = {}
    for line in mountinfo():
        words = line.split()
        kind, _, options = words[words.index("-") + 1 :][:3]
        for name in options.split(",") if kind == "cgroup" else [""] if kind == "cgroup2" else []:
            found[name] = Path(words[4])
    return found


def directory(pid: int, controller: str) -> Path:
    """The group of a process in the hierarchy of a controller."""
    roots = hierarchies()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(",") or (controller not in roots and names == ""):
            return roots.get(controller, roots.get("", Path())) / path.lstrip("/")
    raise AssertionError(f"no hierarchy has {controller}")


def setting(box: Bundle, name: str, file: str) -> str:
    """What a file of the container's group says, such as ``memory.limit_in_bytes``."""
    return (directory(box.pid(name), file.split(".", maxsplit=1)[0]) / file).read_text().strip()


def limited(box: Bundle, **resources: Any) -> str:
    box.linux["resources"].update(resources)
    return box.started()


VERSION_1 = pytest.mark.needs("version 1 of control groups")


@VERSION_1
@pytest.mark.parametrize(
    ("resources", "file", "expected"),
    [
        ({"memory": {"limit": 32 * MIB}}, "memory.limit_in_bytes", str(32 * MIB)),
        ({"memory": {"limit": -1}}, "memory.limit_in_bytes", "9223372036854771712"),
        ({"memory": {"reservation": 16 * MIB}}, "memory.soft_limit_in_bytes", str(16 * MIB)),
        ({"memory": {"limit": 32 * MIB, "swappiness": 7}}, "memory.swappiness", "7"),
        ({"memory": {"kernelTCP": 16 * MIB}}, "memory.kmem.tcp.limit_in_bytes", str(16 * MIB)),
        ({"cpu": {"shares": 512}}, "cpu.shares", "512"),
        ({"cpu": {"quota": 20000, "period": 50000}}, "cpu.cfs_quota_us", "20000"),
        ({"cpu": {"quota": 20000, "period": 50000}}, "cpu.cfs_period_us", "50000"),
        ({"cpu": {"quota": -1, "period": 50000}}, "cpu.cfs_quota_us", "-1"),
        ({"cpu": {"cpus": "1"}}, "cpuset.cpus", "1"),
        ({"cpu": {"mems": "0"}}, "cpuset.mems", "0"),
        ({"pids": {"limit": 11}}, "pids.max", "11"),
        ({"pids": {"limit": -1}}, "pids.max", "max"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value),
)
def test_a_limit_is_that_of_the_group(box: Bundle, resources: dict[str, Any], file: str, expected: str) -> None:
    assert setting(box, limited(box, **resources), file) == expected


@VERSION_1
@pytest.mark.parametrize(("wanted", "read"), [({"quota": 20000, "burst": 10000}, ("cpu.cfs_burst_us", "10000")),
                                              ({"idle": 1}, ("cpu.idle", "1"))])  # fmt: skip
def test_a_newer_limit_of_processors_is_that_of_the_group(
    box: Bundle, wanted: dict[str, int], read: tuple[str, str]
) -> None:
    assert setting(box, limited(box, cpu=wanted), read[0]) == read[1]


@VERSION_1
def test_memory_and_swap_are_limited_together(box: Bundle) -> None:
    name = limited(box, memory={"limit": 32 * MIB, "swap": 48 * MIB})
    files = directory(box.pid(name), "memory")
    if (files / "memory.memsw.limit_in_bytes").exists():
        assert setting(box, name, "memory.memsw.limit_in_bytes") == str(48 * MIB)
    assert setting(box, name, "memory.limit_in_bytes") == str(32 * MIB)


@VERSION_1
@pytest.mark.parametrize("disabled", [True, False])
def test_the_oom_killer_can_be_disabled(box: Bundle, disabled: bool) -> None:
    name = limited(box, memory={"limit": 32 * MIB, "disableOOMKiller": disabled})
    assert f"oom_kill_disable {int(disabled)}" in setting(box, name, "memory.oom_control").splitlines()


@VERSION_1
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
        ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
        ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
        ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"),
    ],
)
def test_rates_of_a_block_device_are_limited(box: Bundle, name: str, file: str) -> None:
    number = next(Path(path).read_text().strip() for path in map(str, sorted(Path("/sys/block").glob("*/dev"))))
    major, minor = map(int, number.split(":"))
    made = limited(box, blockIO={name: [{"major": major, "minor": minor, "rate": 123456}]})
    assert setting(box, made, file) == f"{number} 123456"


def test_pids_are_limited(box: Bundle) -> None:
    box.linux["resources"]["pids"] = {"limit": 12}
    assert box.says("(for i in $(seq 40); do sleep 1 & done) 2>&1 | grep -c -i 'fork' || true") != "0"


@VERSION_1
def test_a_limit_of_no_pids_is_one(box: Bundle) -> None:
    name = limited(box, pids={"limit": 0})
    # Either lets nobody fork, and a first process may have to be born there (clone(2), CLONE_INTO_CGROUP).
    assert setting(box, name, "pids.max") in {"0", "1"}


@pytest.mark.parametrize(
    "resources",
    [
        {"hugepageLimits": [{"pageSize": "2MB", "limit": MIB}]},
        {"network": {"classID": 1}},
        {"network": {"priorities": [{"name": "lo", "priority": 1}]}},
        {"rdma": {"mlx5_1": {"hcaHandles": 3}}},
        {"unified": {"no_such_controller.max": "1"}},
        {"cpu": {"cpus": "4096"}},
        {"memory": {"limit": 1}},
    ],
    ids=json.dumps,
)
def test_a_limit_that_is_impossible_is_an_error(box: Bundle, resources: dict[str, Any]) -> None:
    absent = {"hugepageLimits": "hugetlb", "network": "net_cls", "rdma": "rdma"}.get(next(iter(resources)))
    assert absent not in hierarchies(), "this host has the controller: make another case of it"
    box.linux["resources"].update(resources)
    name, code = box.try_create("sleep", "1000")
    assert code != 0
    assert box.status(name) == "gone"


def test_an_absolute_path_starts_where_the_hierarchy_is_mounted(box: Bundle) -> None:
    box.linux["cgroupsPath"] = f"/{MARK}group"
    pid = box.pid(box.started())
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    places = {place for _, names, place in lines if names in {"memory", "pids", "freezer", "devices"} or names == ""}
    assert places == {box.linux["cgroupsPath"]}


@pytest.mark.parametrize("path", ["/{}same", "{}relative"])
def test_the_same_path_is_the_same_place(box: Bundle, path: str) -> None:
    box.linux["cgroupsPath"] = path.format(MARK)
    places = []
    for _ in range(2):
        name = box.started()
        lines = Path(f"/proc/{box.pid(name)}/cgroup").read_text().splitlines()
        places.append("\n".join(line for line in lines if "name=" not in line))
        box.ask("delete", "--force", name)
    assert places[0] == places[1]
    assert MARK in places[0]


def test_a_group_that_does_not_exist_is_made_and_removed(box: Bundle) -> None:
    box.linux["cgroupsPath"] = f"/{MARK}group"
    name = box.started()
    assert cgroups(f"{MARK}group")
    box.ask("delete", "--force", name)
    assert cgroups(f"{MARK}group") == []


def test_a_group_of_another_container_is_not_removed_with_this_one(box: Bundle) -> None:
    box.linux["cgroupsPath"] = f"/{MARK}parent/one"
    first = box.started()
    box.linux["cgroupsPath"] = f"/{MARK}parent/two"
    second = box.started()
    box.ask("delete", "--force", first)
    assert box.status(second) == "running"
    assert {group.name for group in cgroups(f"{MARK}parent")} >= {"two"}
    box.ask("delete", "--force", second)
    for group in cgroups(f"{MARK}parent"):
        group.rmdir()


def test_directories_above_the_group_that_were_made_are_removed_too(box: Bundle) -> None:
    box.linux["cgroupsPath"] = f"/{MARK}group/deep/er"
    name = box.started()
    assert cgroups(f"{MARK}group")
    box.ask("delete", "--force", name)
    assert cgroups(f"{MARK}group") == []


@VERSION_1
def test_the_owner_of_a_group_is_not_changed(box: Bundle) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1000}
    group = directory(box.pid(box.started()), "memory")
    assert {path.stat().st_uid for path in (group, *group.iterdir())} == {0}


def test_the_whole_container_is_in_its_group(box: Bundle) -> None:
    name = box.started("sh", "-c", "sleep 1000 & sleep 1000 & wait")
    group = directory(box.pid(name), "pids")
    wait_until(lambda: len((group / "cgroup.procs").read_text().split()) == 3)


def test_exec_is_in_the_group_of_the_container(box: Bundle) -> None:
    name = box.started()
    inside = Path(f"/proc/{box.pid(name)}/cgroup").read_text()
    assert box.execute(name, "cat /proc/self/cgroup") == inside.strip()


def test_delete_by_force_ends_every_process_of_the_group(box: Bundle) -> None:
    box.without_namespace("pid")
    name = box.started("sh", "-c", "sleep 1000 & setsid sleep 1000 & wait")
    group = directory(box.pid(name), "pids")
    wait_until(lambda: len((group / "cgroup.procs").read_text().split()) == 3)
    members = (group / "cgroup.procs").read_text().split()
    box.ask("delete", "--force", name)
    wait_until(lambda: not any(_runs(pid) for pid in members))


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_pause_stops_every_process_until_resume(box: Bundle) -> None:
    name = box.started("sh", "-c", "while :; do echo x >> /count; sleep 0.02; done")
    count = box.rootfs / "count"
    wait_until(count.exists)
    box.ask("pause", name)
    assert box.status(name) == "paused"
    before = count.stat().st_size
    assert box.call("exec", name, "true").returncode != 0
    assert count.stat().st_size == before
    box.ask("resume", name)
    assert box.status(name) == "running"
    wait_until(lambda: count.stat().st_size > before)


@pytest.mark.parametrize("operation", ["pause", "resume"])
def test_what_is_stopped_cannot_be_paused_or_resumed(box: Bundle, operation: str) -> None:
    name = box.started("true")
    box.wait_for(name, "stopped")
    assert box.call(operation, name).returncode != 0


def test_what_runs_cannot_be_resumed(box: Bundle) -> None:
    name = box.started()
    assert box.call("resume", name).returncode != 0
    assert box.status(name) == "running"


def test_what_is_paused_can_be_killed_and_deleted_by_force(box: Bundle) -> None:
    name = box.started()
    box.ask("pause", name)
    box.ask("delete", "--force", name)
    assert box.status(name) == "gone"


def test_what_is_paused_cannot_be_deleted(box: Bundle) -> None:
    name = box.started()
    box.ask("pause", name)
    assert box.call("delete", name).returncode != 0
    assert box.status(name) == "paused"


@VERSION_1
@pytest.mark.parametrize(
    ("option", "file", "expected"),
    [
        (("--memory", str(64 * MIB)), "memory.limit_in_bytes", str(64 * MIB)),
        (("--memory-reservation", str(32 * MIB)), "memory.soft_limit_in_bytes", str(32 * MIB)),
        (("--cpu-share", "256"), "cpu.shares", "256"),
        (("--cpu-quota", "30000", "--cpu-period", "60000"), "cpu.cfs_quota_us", "30000"),
        (("--cpu-period", "60000"), "cpu.cfs_period_us", "60000"),
        (("--cpuset-cpus", "0"), "cpuset.cpus", "0"),
        (("--cpuset-mems", "0"), "cpuset.mems", "0"),
        (("--pids-limit", "33"), "pids.max", "33"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_update_changes_a_limit(box: Bundle, option: tuple[str, ...], file: str, expected: str) -> None:
    name = box.started()
    box.ask("update", *option, name)
    assert setting(box, name, file) == expected


@VERSION_1
@pytest.mark.parametrize("source", ["-", "file"])
def test_update_reads_limits_from_a_file(box: Bundle, ground: Path, source: str) -> None:
    name = limited(box, pids={"limit": 100}, memory={"limit": 32 * MIB})
    text = json.dumps({"memory": {"limit": 64 * MIB}, "cpu": {"shares": 333}})
    (ground / "resources").write_text(text)
    options = {"input": text} if source == "-" else {}
    box.ask("update", "--resources", "-" if source == "-" else str(ground / "resources"), name, **options)
    files = ("memory.limit_in_bytes", "cpu.shares", "pids.max")
    assert [setting(box, name, file) for file in files] == [str(64 * MIB), "333", "100"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"memory": {"limit": "x"}}', '{"cpu": {"cpus": "4096"}}'])
def test_update_with_a_broken_file_is_an_error_and_changes_nothing(box: Bundle, text: str) -> None:
    name = limited(box, pids={"limit": 100})
    assert box.call("update", "--resources", "-", name, input=text).returncode != 0
    assert setting(box, name, "pids.max") == "100"


@VERSION_1
def test_a_limit_below_what_is_used_is_refused(box: Bundle) -> None:
    name = limited(box, memory={"limit": 64 * MIB, "checkBeforeUpdate": True})
    box.execute(name, "mkdir -p /dev/shm; head -c 16m /dev/zero > /dev/shm/used")
    assert box.call("update", "--memory", "4096", name).returncode != 0
    assert setting(box, name, "memory.limit_in_bytes") == str(64 * MIB)


def test_statistics_are_those_of_the_group(box: Bundle) -> None:
    name = limited(box, pids={"limit": 50}, memory={"limit": 64 * MIB})
    event = json.loads(box.ask("events", "--stats", name))
    assert (event["type"], event["id"]) == ("stats", name)
    data = event["data"]
    assert data["pids"] == {"current": 1, "limit": 50}
    assert data["memory"]["usage"]["limit"] == 64 * MIB
    assert data["memory"]["usage"]["usage"] > 0
    assert data["cpu"]["usage"]["total"] > 0
    assert {"throttling", "usage"} <= data["cpu"].keys()


def test_ps_lists_the_processes_of_the_group(box: Bundle) -> None:
    name = box.started("sh", "-c", "sleep 1234 & wait")
    wait_until(lambda: len(json.loads(box.ask("ps", "--format", "json", name))) == 2)
    pids = json.loads(box.ask("ps", "--format", "json", name))
    assert box.pid(name) in pids
    table = box.ask("ps", name).splitlines()
    assert "PID" in table[0]
    assert sum("sleep 1234" in line for line in table[1:]) >= 1
    assert all(os.getpid() != pid for pid in pids)
