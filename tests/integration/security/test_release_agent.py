"""CVE-2022-0492: whoever writes a version 1 hierarchy's ``release_agent`` has the host run a program of theirs.

The kernel executes that program in the initial namespaces, as root, when a group with ``notify_on_release`` becomes
empty. It takes a writable mount of the hierarchy's root: CAP_SYS_ADMIN, a hierarchy that the runtime itself mounted
writable, or, before the kernel's fix, a user and cgroup namespace of one's own. Here the host has a hierarchy that
nobody uses, made by the test, and the program leaves a mark in a directory of the test's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.cgroups.hierarchy import host_hierarchy
from tests.support.attack import naive_runtime, runtime
from tests.support.bundle import runtime_path, wait_until
from tests.support.containers import make_ground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.bundle import Bundle

pytestmark = [pytest.mark.root, pytest.mark.needs("version 1 of control groups")]

# Every release_agent in sight is opened, and that of the test's own hierarchy written; the others are the host's.
OPEN_ALL = """
find /sys/fs/cgroup -name release_agent | while read -r file; do
    case "$file" in
    */{sentinel}/*) echo "{agent}" > "$file" && echo "writable $file" ;;
    *) (: >> "$file") && echo "writable $file" ;;
    esac
done 2>/dev/null
find /sys/fs/cgroup -name notify_on_release | while read -r file; do
    echo 1 > "$file" && echo "notify $file"
done 2>/dev/null
echo end
"""


@pytest.fixture
def hierarchy(tmp_path: Path) -> Iterator[str]:
    """A version 1 hierarchy without a controller, mounted where only `beside` sees it; its name.

    In the host's mount namespace whoever makes a control group would make one there too.
    """
    name = f"tare-test-{os.getpid()}"
    mountpoint = tmp_path / name
    mountpoint.mkdir()
    mounted = f"mount -t cgroup -o none,name={name} none {mountpoint}"
    script = f"{mounted} && ls {mountpoint} && echo ready && exec sleep 1000"
    command = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            names = list(iter(holder.stdout.readline, "ready\n"))
            assert "release_agent\n" in names
            with beside(tmp_path, holder.pid):
                yield name
        finally:
            holder.kill()
            holder.wait()
            wait_until(lambda: has_gone(name, mountpoint), timeout_s=90)  # the kernel takes its time when it is busy


def has_gone(name: str, mountpoint: Path) -> bool:
    """Whether the hierarchy is no more: it goes at an unmount that finds no group, and groups end after the fact."""
    if f"name={name}:" not in Path("/proc/self/cgroup").read_text():
        return True
    empty = f"find {mountpoint} -mindepth 1 -depth -type d -exec rmdir {{}} \\; 2>/dev/null"
    script = f"mount -t cgroup -o none,name={name} none {mountpoint}; {empty}; umount {mountpoint}"
    subprocess.run(("unshare", "--mount", "--propagation", "private", "sh", "-c", script), check=True)
    return False


@contextmanager
def beside(directory: Path, pid: int) -> Iterator[None]:
    """Run the runtime under test in a process's mount namespace."""
    command = directory / "beside"
    command.write_text(f'#!/bin/sh\nexec nsenter --target {pid} --mount {runtime_path()} "$@"\n')
    command.chmod(0o755)
    with runtime(command):
        yield


@pytest.fixture
def agent(outside: Path) -> Path:
    """A program of the host that leaves a mark beside itself."""
    program = outside / "agent.sh"
    program.write_text(f"#!/bin/sh\necho $1 > {outside}/mark\n")
    program.chmod(0o755)
    return program


def mark_appears(agent: Path) -> bool:
    deadline = time.monotonic() + 1  # the kernel starts the agent from a work queue
    while not (agent.parent / "mark").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_naive_runtime_s_container_has_the_host_run_a_program(
    box: Bundle, install: Callable[[str], str], tmp_path: Path, hierarchy: str, agent: Path
) -> None:
    with naive_runtime(tmp_path):
        done = box.run(install("agent"), hierarchy, str(agent))
    assert done.stdout.splitlines()[:2] == ["mount 0", "agent 0"]
    wait_until((agent.parent / "mark").exists)


def test_a_container_does_not_get_at_the_release_agent(
    box: Bundle, install: Callable[[str], str], hierarchy: str, agent: Path
) -> None:
    done = box.run(install("agent"), hierarchy, str(agent))
    steps = dict(line.split() for line in done.stdout.splitlines())
    assert steps["mount"] != "0" or steps["agent"] != "0"
    assert not mark_appears(agent)


def test_a_default_container_of_the_launcher_cannot_even_unshare(
    tmp_path: Path, busybox_layers: tuple[Path, ...], programs: Callable[[str], Path], hierarchy: str, agent: Path
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    shutil.copy(programs("agent"), top / "agent")
    with make_ground(tmp_path / "ground", (*busybox_layers, top)) as ground:
        assert ground.run("/agent", hierarchy, str(agent)).lines == ["mount 1", "unshare 1"]
    assert not mark_appears(agent)


def look_for_agents(box: Bundle, access: str, sentinel: str, agent: Path) -> tuple[list[str], list[str]]:
    """The release agents and the notifications that could be written, of all that the runtime mounted."""
    options = ["nosuid", "noexec", "nodev", "relatime", access]
    box.config["mounts"].append(
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options}
    )
    done = box.shell(OPEN_ALL.format(sentinel=sentinel, agent=agent))
    lines = done.stdout.splitlines()
    assert (done.stderr, lines[-1:]) == ("", ["end"])
    return [line for line in lines if line[:8] == "writable"], [line for line in lines if line[:6] == "notify"]


@pytest.mark.parametrize("access", ["ro", "rw"])
def test_no_release_agent_of_a_mounted_hierarchy_is_writable(
    box: Bundle, access: str, hierarchy: str, agent: Path
) -> None:
    agents, notifications = look_for_agents(box, access, hierarchy, agent)
    assert agents == []
    assert bool(notifications) == (access == "rw")  # of its own groups, which is nothing without an agent


@pytest.mark.parametrize("access", ["ro", "rw"])
def test_no_release_agent_is_writable_in_a_cgroup_namespace(box: Bundle, access: str, agent: Path) -> None:
    box.config["linux"]["namespaces"].append({"type": "cgroup"})
    agents, notifications = look_for_agents(box, access, "nothing", agent)
    assert agents == []
    assert bool(notifications) == (access == "rw")


def test_the_hierarchies_of_this_host_have_what_the_attack_needs() -> None:
    assert host_hierarchy().version == 1
    assert list(Path("/sys/fs/cgroup").glob("*/release_agent"))
