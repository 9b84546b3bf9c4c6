"""The teardown certificate: what is new is ours and fails the run, or foreign and is only shown."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bench.context import Roots
from bench.inventory import Inventory, certify, is_ours, take_inventory

EMPTY = Inventory(**{field.name: frozenset() for field in fields(Inventory)})


def roots_in(directory: Path) -> Roots:
    return Roots(directory / "data", directory / "run")


def certified(before: Inventory, *afterwards: Inventory) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """What the certificate says when the host looks like these, one after the other."""
    script = list(afterwards)
    facts = certify(before, lambda: script.pop(0) if len(script) > 1 else script[0])
    return facts.clean, facts.left, facts.foreign


def test_an_equal_host_is_clean() -> None:
    assert certified(EMPTY, EMPTY) == (True, (), ())


def test_what_was_there_before_and_has_gone_is_nobodys_fault() -> None:
    assert certified(replace(EMPTY, links=frozenset({"link eth7"})), EMPTY) == (True, (), ())


@pytest.mark.parametrize("field", [field.name for field in fields(Inventory)])
def test_every_kind_of_leftover_of_others_is_foreign(field: str) -> None:
    after = replace(EMPTY, **{field: frozenset({"something of others"})})
    assert certified(EMPTY, after) == (True, (), ("something of others",))


def test_what_the_kernel_frees_late_is_waited_for() -> None:
    late = replace(EMPTY, links=frozenset({"link tarev3"}))
    assert certified(EMPTY, late, late, EMPTY) == (True, (), ())


@pytest.mark.slow
def test_what_stays_is_left_and_fails() -> None:
    after = replace(EMPTY, links=frozenset({"link tare0", "link eth7"}))
    assert certified(EMPTY, after) == (False, ("link tare0",), ("link eth7",))


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        ("link tare0", True),
        ("link tarev12", True),
        ("link taret3", True),
        ("cgroup /sys/fs/cgroup/memory/tare/20300101-000000-abcd", True),
        ("cgroup /sys/fs/cgroup/machine/qemu-1-tare-vm-0-0.libvirt-qemu", True),
        ("directory /run/tare", True),
        ("domain /run/libvirt/qemu/tare-vm-0-0.xml", True),
        ("process 12: sleep 60", True),
        ("namespace net:[4026532000] (tare)", True),
        ("link eth0", False),
        ("namespace net:[4026532000]", False),
        ("mount ext4 on /home/guitarered", False),
        ("cgroup /sys/fs/cgroup/user.slice/starers", False),
        ("cgroup /sys/fs/cgroup/memory/tare-runtime/web", False),
        ("cgroup /sys/fs/cgroup/memory/tare", True),
        ("link tareb170795", False),
        ("link tarecc81bc9cc17", False),
        ("mount nsfs on /run/tare-networks-d60751eb/netns/52738ae4", False),
        (f"mount overlay on /var/lib/tare/containers/{'5a' * 32}/merged", False),
        (f"mount overlay on /var/lib/tare/runs/2030/engine/containers/{'5a' * 32}/merged", True),
        ('nft {"table": {"family": "inet", "handle": 7, "name": "tare_9e48c62d"}}', False),
        ('nft {"chain": {"family": "inet", "handle": 1, "name": "in", "table": "tare"}}', False),
    ],
)
def test_ours_carries_our_label(entry: str, ours: bool) -> None:
    assert is_ours(entry) is ours


def test_a_child_is_in_the_inventory_and_its_child_too(tmp_path: Path) -> None:
    nested = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '61.5'])"]
    child = subprocess.Popen(nested)
    try:
        while not any(entry.endswith(": sleep 61.5") for entry in take_inventory(roots_in(tmp_path)).processes):
            assert child.poll() is None
        shown = take_inventory(roots_in(tmp_path)).processes
        assert any(entry.startswith(f"process {child.pid}: ") for entry in shown)
    finally:
        for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split():
            os.kill(int(pid), 9)
        child.wait()


def test_directories_of_runs_are_listed_and_caches_are_not(tmp_path: Path) -> None:
    roots = roots_in(tmp_path)
    for directory in (roots.run / "one", roots.containers / "one", roots.data / "images", roots.data / "layers"):
        directory.mkdir(parents=True)
    shown = take_inventory(roots).directories
    assert shown == {
        f"directory {path}" for path in (roots.run, roots.run / "one", roots.containers, roots.containers / "one")
    }


@pytest.mark.root
def test_links_mounts_namespaces_and_groups_are_seen(tmp_path: Path) -> None:
    roots = roots_in(tmp_path)
    before = take_inventory(roots)
    name = f"tarex{os.getpid() % 100000}"
    (tmp_path / "mount").mkdir()
    unshared = subprocess.Popen(["unshare", "--net", "--uts", "sleep", "62"])
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "mount"], check=True)
    try:
        net = Path(f"/proc/{unshared.pid}/ns/net")
        while net.readlink() == Path("/proc/self/ns/net").readlink():
            pass
        after = take_inventory(roots)
        assert after.links - before.links >= {f"link {name}"}
        assert after.mounts - before.mounts >= {f"mount tmpfs on {tmp_path / 'mount'}"}
        assert after.namespaces - before.namespaces >= {f"namespace {net.readlink()}"}
    finally:
        subprocess.run(["umount", tmp_path / "mount"], check=True)
        subprocess.run(["ip", "link", "delete", name], check=True)
        unshared.kill()
        unshared.wait()
