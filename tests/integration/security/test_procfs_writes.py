"""CVE-2025-52881: what the runtime writes to ``/proc`` is led elsewhere.

A runtime writes to files of ``/proc`` for the container: sysctls, the label of a security module, the score for the
out-of-memory killer. Where ``/proc`` in the root is a volume, a tmpfs that another container fills with links, or a
link itself, these writes go to a file of the attacker's choice, such as ``/proc/sysrq-trigger``, or nowhere, so that a
label that should confine the container is never set. Here the links lead to a harmless file of the image.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import Swapper, naive_runtime, run_detached

if TYPE_CHECKING:
    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

SYSCTL, VALUE = "kernel.domainname", "set-by-the-runtime"
ROUNDS = 25
SHAPES = ("volume", "tmpfs", "link", "directory", "sys-link")


def fake(directory: Path) -> None:
    """A /proc whose every file that a runtime might write is a link to the sentinel."""
    for name in ("sys/kernel/domainname", "self/oom_score_adj", "self/attr/exec", "self/attr/apparmor/exec",
                 "thread-self/attr/exec", "self/setgroups", "self/uid_map"):  # fmt: skip
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).symlink_to("/sentinel")


def prepare(box: Bundle, directory: Path, shape: str) -> Path:
    """A /proc of this shape; the sentinel that a misled write would change."""
    sentinel = box.rootfs / "sentinel"
    sentinel.write_text("kept")
    box.config["linux"] |= {"sysctl": {SYSCTL: VALUE}, "maskedPaths": [], "readonlyPaths": []}
    box.config["process"]["oomScoreAdj"] = 500
    mounts = box.config["mounts"]
    if shape in {"volume", "tmpfs", "directory"}:
        fake(box.rootfs / "proc" if shape == "directory" else directory / "proc")
        mounts[:] = [entry for entry in mounts if entry["destination"] != "/proc"]
    if shape == "volume":
        mounts.insert(0, {"destination": "/proc", "source": str(directory / "proc"), "options": ["rbind", "rw"]})
    elif shape == "tmpfs":
        mounts.insert(0, {"destination": "/proc", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]})
    elif shape == "link":
        fake(box.rootfs / "other")
        shutil.rmtree(box.rootfs / "proc")
        (box.rootfs / "proc").symlink_to("other")
    elif shape == "sys-link":
        fake(box.rootfs / "other")
        mounts.append({"destination": "/proc/sys", "source": str(box.rootfs / "other/sys"), "options": ["bind"]})
    return sentinel


@pytest.mark.parametrize("shape", ["volume", "directory", "sys-link"])
def test_the_naive_runtime_writes_where_the_container_s_proc_leads(box: Bundle, tmp_path: Path, shape: str) -> None:
    sentinel = prepare(box, tmp_path, shape)
    with naive_runtime(tmp_path):
        box.shell("true")
    assert sentinel.read_text() in {VALUE, "500"}


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_written_where_the_container_s_proc_leads(box: Bundle, tmp_path: Path, shape: str) -> None:
    sentinel = prepare(box, tmp_path, shape)
    box.shell("true")
    assert sentinel.read_text() == "kept"


@pytest.mark.parametrize("shape", ["volume", "directory", "sys-link"])
def test_what_was_asked_for_is_done_or_refused_whatever_proc_is(box: Bundle, tmp_path: Path, shape: str) -> None:
    """A write that went nowhere is as bad as one that went elsewhere: the limit was not set and nobody knows."""
    prepare(box, tmp_path, shape)
    name, status = run_detached(box, "sleep", "1000")
    if status == 0:
        pid = box.state(name)["pid"]
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "500\n"
        assert domain_name_of(pid) == VALUE


def domain_name_of(pid: int) -> str:
    """In the UTS namespace of a process."""
    import subprocess

    command = ("nsenter", "--target", str(pid), "--uts", "cat", "/proc/sys/kernel/domainname")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def race(box: Bundle, tmp_path: Path) -> tuple[str, int]:
    """A part of /proc's own path changes places with a link while containers are made."""
    sentinel = prepare(box, tmp_path, "none")
    fake(tmp_path / "volume/fake")
    (tmp_path / "volume/proc").mkdir()
    shutil.rmtree(box.rootfs / "proc")
    (box.rootfs / "proc").symlink_to("vol/proc")
    box.config["mounts"].insert(0, {"destination": "/vol", "source": str(tmp_path / "volume"), "options": ["rbind"]})
    with Swapper(tmp_path / "volume/proc", tmp_path / "volume/fake") as swapper:
        for _ in range(ROUNDS):
            box.shell("true")
            if sentinel.read_text() != "kept":
                break
    return sentinel.read_text(), swapper.swaps


def test_a_volume_exchanged_below_proc_defeats_the_naive_runtime(box: Bundle, tmp_path: Path) -> None:
    with naive_runtime(tmp_path):
        assert race(box, tmp_path)[0] in {VALUE, "500"}


def test_a_volume_exchanged_below_proc_leads_no_write_elsewhere(box: Bundle, tmp_path: Path) -> None:
    content, swaps = race(box, tmp_path)
    assert content == "kept"
    assert swaps > ROUNDS * 100


def test_a_sysctl_that_is_not_of_a_namespace_of_the_container_s_is_refused(box: Bundle) -> None:
    """``kernel.core_pattern`` is the host's, whoever's container asks; here it would be set to what it is."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    box.config["linux"]["sysctl"] = {"kernel.core_pattern": pattern.strip()}
    assert box.shell("true").returncode != 0


@pytest.mark.parametrize("name", ["kernel.domainname/../core_uses_pid", "net.ipv4.../../kernel/core_uses_pid",
                                  "kernel/../kernel/core_uses_pid", "kernel.shmmax/../core_uses_pid"])  # fmt: skip
def test_a_sysctl_s_name_does_not_climb(box: Bundle, name: str) -> None:
    value = Path("/proc/sys/kernel/core_uses_pid").read_text().strip()
    box.config["linux"]["sysctl"] = {name: value}
    assert box.shell("true").returncode != 0


def test_a_sysctl_of_a_namespace_that_is_the_host_s_is_refused(box: Bundle) -> None:
    kinds = [entry for entry in box.config["linux"]["namespaces"] if entry["type"] not in {"network", "ipc"}]
    box.config["linux"]["namespaces"] = kinds
    for name in ("net/ipv4/ip_forward", "kernel/shmmax"):
        value = Path(f"/proc/sys/{name}").read_text().strip()
        box.config["linux"]["sysctl"] = {name.replace("/", "."): value}
        assert box.shell("true").returncode != 0, name
