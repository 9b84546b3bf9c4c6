from __future__ import annotations

import os
from pathlib import Path

import pytest

from hypervisor.stats import cgroup_usage_files, guest_used, process_memory


def test_a_live_process_has_a_pss_not_above_its_rss() -> None:
    pss, rss = process_memory(os.getpid())
    assert pss is not None
    assert rss is not None
    assert 0 < pss <= rss
    assert pss % 1024 == 0


def test_a_process_that_is_gone_is_not_zero() -> None:
    assert process_memory(2**22 + 1) == (None, None)


@pytest.mark.parametrize(
    ("membership", "expected"),
    [
        ("4:memory:/machine/qemu-1-a.libvirt-qemu", "memory/machine/qemu-1-a.libvirt-qemu/memory.usage_in_bytes"),
        ("0::/machine/qemu-1-a.libvirt-qemu/emulator", "machine/qemu-1-a.libvirt-qemu/memory.current"),
        (
            "0::/machine.slice/machine-qemu\\x2d1\\x2da.scope/libvirt/emulator",
            "machine.slice/machine-qemu\\x2d1\\x2da.scope/memory.current",
        ),
        ("5:cpu,cpuacct:/machine/qemu-1-a.libvirt-qemu", None),
        ("0::/user.slice/session.scope", None),
        ("4:memory:/", None),
    ],
)
def test_the_domains_own_group_is_found(membership: str, expected: str | None) -> None:
    files = [Path("/sys/fs/cgroup") / expected] if expected else []
    assert cgroup_usage_files(membership + "\n") == files


def test_the_guests_own_view_is_total_less_available() -> None:
    assert guest_used({"available": 1000, "usable": 400, "rss": 7}) == 600 * 1024


def test_a_guest_that_has_not_reported_yet_is_unknown() -> None:
    assert guest_used({"actual": 131072, "rss": 9}) is None
