"""Control groups of either version: found in mountinfo, limited, entered, read and removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.cgroups.cgroup import Cgroup, create_parents, plan_limits, remove_directory
from runtime.cgroups.hierarchy import CgroupError, Hierarchy, detect
from runtime.spec.container import Resources

ROOT = "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


def v1(controllers: str, mount: str, root: str = "/") -> str:
    return f"31 30 0:28 {root} {mount} rw,nosuid shared:9 - cgroup cgroup rw,{controllers}\n"


def v2(mount: str) -> str:
    return f"30 22 0:27 / {mount} rw,nosuid,nodev,noexec shared:8 master:3 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_version_2_alone() -> None:
    found = detect(ROOT + v2("/sys/fs/cgroup"))
    assert found == Hierarchy(2, tuple((name, "/sys/fs/cgroup") for name in ("memory", "cpu", "pids")))


def test_version_1_with_joined_controllers() -> None:
    text = ROOT + v1("cpu,cpuacct", "/cg/cpu,cpuacct") + v1("memory", "/cg/memory") + v1("pids", "/cg/pids")
    found = detect(text + v1("name=systemd", "/cg/systemd") + v1("cpuset", "/cg/cpuset"))
    assert found.version == 1
    assert dict(found.mounts) == {"cpu": "/cg/cpu,cpuacct", "memory": "/cg/memory", "pids": "/cg/pids"}


def test_a_hybrid_host_counts_as_version_1() -> None:
    text = v2("/cg/unified") + v1("memory", "/cg/memory") + v1("cpu", "/cg/cpu") + v1("pids", "/cg/pids")
    assert detect(text).version == 1
    # And where only systemd's own hierarchy is version 1, as version 2.
    assert detect(v1("name=systemd", "/cg/systemd") + v2("/cg/unified")).version == 2


def test_everything_in_one_hierarchy_of_version_1_is_one_directory() -> None:
    found = detect(v1("memory,cpu,pids", "/cg/all"))
    assert Cgroup(found, "a/b").directories == ("/cg/all/a/b",)


def test_a_hierarchy_mounted_again_elsewhere_does_not_count() -> None:
    second = v1("memory", "/var/lib/other/cgroup/memory", "/docker/1")
    assert detect(v1("memory", "/cg/memory") + second).mount("memory") == "/cg/memory"
    assert detect(v2("/cg") + v2("/var/lib/other/cgroup")).mount("memory") == "/cg"


def test_a_mount_point_with_a_space_is_read_as_it_is() -> None:
    assert detect(v2("/my\\040cg\\134roups")).mount("cpu") == "/my cg\\roups"


def test_a_host_without_control_groups_is_told_so() -> None:
    with pytest.raises(CgroupError, match=r"^find control groups: neither version 1 .* nor version 2 is mounted$"):
        detect(ROOT + v1("name=systemd", "/cg/systemd"))


def test_a_controller_that_is_missing_is_named() -> None:
    found = detect(v1("memory", "/cg/memory"))
    with pytest.raises(CgroupError, match=r"^find cgroup controller pids: not mounted on this host$"):
        found.mount("pids")


def test_limits_of_version_1() -> None:
    assert plan_limits(1, Resources(memory_bytes=1 << 20, cpus=1.5, pids=64)) == (
        ("memory", "memory.limit_in_bytes", "1048576"),
        ("pids", "pids.max", "64"),
        ("cpu", "cpu.cfs_quota_us", "150000"),
    )


def test_limits_of_version_2() -> None:
    assert plan_limits(2, Resources(memory_bytes=1 << 20, cpus=0.5, pids=64)) == (
        ("memory", "memory.max", "1048576"),
        ("pids", "pids.max", "64"),
        ("cpu", "cpu.max", "50000 100000"),
    )


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_not_asked_for_is_not_written(version: int) -> None:
    assert plan_limits(version, Resources()) == ()
    assert len(plan_limits(version, Resources(pids=1))) == 1


def make_group(directory: Path, controllers: str = "") -> None:
    """As the kernel makes a group's files, which a directory of a plain file system has not by itself."""
    directory.mkdir(exist_ok=True)
    for name in ("memory.max", "cpu.max", "pids.max", "cgroup.procs", "memory.current"):
        (directory / name).write_text("")
    (directory / "cgroup.subtree_control").write_text(controllers)


@pytest.fixture
def tree(tmp_path: Path) -> Hierarchy:
    make_group(tmp_path)
    make_group(tmp_path / "tare", "memory")
    make_group(tmp_path / "tare/run")
    return Hierarchy(2, tuple((name, str(tmp_path)) for name in ("memory", "cpu", "pids")))


def test_parents_hand_the_controllers_down(tree: Hierarchy, tmp_path: Path) -> None:
    create_parents(tree, "tare/run")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    assert (tmp_path / "tare/cgroup.subtree_control").read_text().endswith("+cpu +pids")  # memory it had
    assert "+memory" not in (tmp_path / "tare/cgroup.subtree_control").read_text()
    assert (tmp_path / "tare/run/cgroup.subtree_control").read_text() == "+memory +cpu +pids"


def test_parents_of_version_1_are_made_in_every_hierarchy(tmp_path: Path) -> None:
    for name in ("memory", "cpu"):
        (tmp_path / name).mkdir()
    hierarchy = Hierarchy(1, tuple((name, str(tmp_path / name)) for name in ("memory", "cpu")))
    create_parents(hierarchy, "a/b")
    create_parents(hierarchy, "a/b")
    assert all((tmp_path / name / "a/b").is_dir() for name in ("memory", "cpu"))
    assert not any(tmp_path.rglob("cgroup.subtree_control"))


def test_a_group_that_cannot_be_limited_is_not_left_behind(tree: Hierarchy, tmp_path: Path) -> None:
    # The plain directory lacks memory.max, as a group does whose parent does not hand the controller down.
    with pytest.raises(CgroupError, match=r"^write 1 to .*/tare/run/c/memory.max: no such file or directory$"):
        Cgroup(tree, "tare/run/c").create(Resources(memory_bytes=1))
    assert not (tmp_path / "tare/run/c").exists()


def test_a_group_without_limits_is_made_and_removed(tree: Hierarchy, tmp_path: Path) -> None:
    group = Cgroup(tree, "tare/run/c")
    group.create(Resources())
    assert group.directories == (str(tmp_path / "tare/run/c"),)
    assert (tmp_path / "tare/run/c").is_dir()
    group.remove()
    group.remove()
    assert not (tmp_path / "tare/run/c").exists()


def test_a_name_that_is_taken_stays_with_its_owner(tree: Hierarchy, tmp_path: Path) -> None:
    make_group(tmp_path / "tare/run/c")
    with pytest.raises(CgroupError, match=r"^create cgroup .*/tare/run/c: file exists$"):
        Cgroup(tree, "tare/run/c").create(Resources())
    assert (tmp_path / "tare/run/c").is_dir()


def test_a_group_taken_in_one_hierarchy_is_made_in_none(tmp_path: Path) -> None:
    for name in ("cpu", "memory", "pids"):
        (tmp_path / name).mkdir()
    (tmp_path / "pids/c").mkdir()
    hierarchy = Hierarchy(1, tuple((name, str(tmp_path / name)) for name in ("cpu", "memory", "pids")))
    with pytest.raises(CgroupError, match="pids/c: file exists"):
        Cgroup(hierarchy, "c").create(Resources())
    assert [(tmp_path / name / "c").exists() for name in ("cpu", "memory", "pids")] == [False, False, True]


def test_usage_and_processes_are_read(tree: Hierarchy, tmp_path: Path) -> None:
    make_group(tmp_path / "tare/run/c")
    (tmp_path / "tare/run/c/memory.current").write_text("4096\n")
    (tmp_path / "tare/run/c/cgroup.procs").write_text("7\n12\n")
    group = Cgroup(tree, "tare/run/c")
    assert group.memory_bytes() == 4096
    assert group.pids() == (7, 12)
    with pytest.raises(CgroupError, match=r"^read .*/gone/memory.current: no such file or directory$"):
        Cgroup(tree, "tare/run/gone").memory_bytes()


def test_version_2_is_entered_by_its_directory(tree: Hierarchy, tmp_path: Path) -> None:
    make_group(tmp_path / "tare/run/c")
    with Cgroup(tree, "tare/run/c").entrance() as entrance:
        (fd,) = entrance
        assert Path(f"/proc/self/fd/{fd}").readlink() == tmp_path / "tare/run/c"
        assert not os.get_inheritable(fd)
    assert not Path(f"/proc/self/fd/{fd}").exists()


def test_version_1_is_entered_by_the_tasks_of_each_hierarchy(tmp_path: Path) -> None:
    for name in ("cpu", "memory"):
        (tmp_path / name / "c").mkdir(parents=True)
        (tmp_path / name / "c/tasks").write_text("")
    group = Cgroup(Hierarchy(1, tuple((name, str(tmp_path / name)) for name in ("cpu", "memory"))), "c")
    with group.entrance() as entrance:
        for fd in entrance:
            os.write(fd, b"0")
    assert [(tmp_path / name / "c/tasks").read_text() for name in ("cpu", "memory")] == ["0", "0"]
    (tmp_path / "memory/c/tasks").unlink()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(CgroupError, match=r"^open .*/memory/c/tasks: no such file or directory$"), group.entrance():
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_removing_what_cannot_be_removed_says_why(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/file").write_text("")
    with pytest.raises(CgroupError, match=r"^remove cgroup .*/c: directory not empty$"):
        remove_directory(str(tmp_path / "c"))
