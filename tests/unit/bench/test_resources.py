"""Each limit of the preflight is the host's own figure."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.drivers import resources
from bench.meters import read_meminfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.workload import Requirement


def shown_by(program: str, first: Callable[[], object]) -> str:
    """What a Python program prints, in a process that has done something ``first``."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, preexec_fn=first, capture_output=True, text=True, check=True).stdout


def number(path: str) -> int:
    return int(Path(path).read_text())


def test_memory_is_what_is_available_less_a_reserve() -> None:
    requirement = resources.memory(1 << 20)
    assert abs(requirement.available - read_meminfo()["MemAvailable"]) < 1 << 30
    assert requirement.fixed >= 512 << 20
    assert requirement.unit == "bytes"


def test_process_ids_count_those_in_use() -> None:
    requirement = resources.pids(per_instance=2, fixed=5)
    assert requirement.available <= min(number("/proc/sys/kernel/pid_max"), number("/proc/sys/kernel/threads-max"))
    assert requirement.fixed >= 5 + 1  # at least this process is there
    assert requirement.per_instance == 2


def test_open_files_are_the_hard_limit() -> None:
    assert resources.open_files(1, 32).available == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_a_lower_hard_limit_is_seen() -> None:
    program = "from bench.drivers import resources; print(resources.open_files(1, 32).available)"
    assert shown_by(program, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 123))) == "123\n"


@pytest.mark.parametrize(
    ("requirement", "path"),
    [
        (resources.network_namespaces(1), "/proc/sys/user/max_net_namespaces"),
        (resources.inotify(0), "/proc/sys/fs/inotify/max_user_instances"),
    ],
)
def test_limits_of_sysctl(requirement: Requirement, path: str) -> None:
    assert requirement.available == number(path)
    assert "sysctl" in requirement.raise_hint


def test_bridge_ports_are_those_of_all_bridges() -> None:
    assert resources.bridge_ports(200, 512).capacity() == 102400


def test_disk_is_that_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    space, inodes = resources.disk(tmp_path / "not" / "yet", 1 << 20, 3)
    state = os.statvfs(tmp_path)
    assert str(tmp_path) in space.resource
    assert abs(space.available - state.f_bavail * state.f_frsize) < 1 << 30
    assert (space.unit, inodes.unit) == ("bytes", "inodes")
    assert inodes.per_instance == 3


@pytest.mark.root
def test_a_file_system_without_a_count_of_inodes_never_binds(tmp_path: Path) -> None:
    tmp_path.joinpath("disk").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=0,size=1m", "tmpfs", tmp_path / "disk"], check=True)
    try:
        assert resources.disk(tmp_path / "disk", 0, 1)[1].capacity() == float("inf")
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)


def test_the_limits_of_every_group_above_count(tmp_path: Path) -> None:
    group = tmp_path / "above" / "own"
    group.mkdir(parents=True)
    (tmp_path / "pids.max").write_text("3000\n")
    (tmp_path / "above/pids.max").write_text("max\n")
    (group / "pids.max").write_text("200\n")
    assert list(resources._limits_above(tmp_path, group)) == [200, 3000]


def test_a_group_outside_the_mount_ends_at_the_root(tmp_path: Path) -> None:
    assert list(resources._limits_above(tmp_path / "mount", tmp_path / "elsewhere")) == []


@pytest.mark.root
def test_the_limit_of_our_own_group_is_read() -> None:
    mount = Path("/sys/fs/cgroup/pids") if Path("/sys/fs/cgroup/pids").is_dir() else Path("/sys/fs/cgroup")
    group = mount / f"tare-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "pids.max").write_text("77")
        program = "from bench.drivers import resources; print(resources.pids(1, 1).available)"
        assert shown_by(program, lambda: (group / "cgroup.procs").write_text("0")) == "77\n"
    finally:
        group.rmdir()
