"""The accelerator, decided by a guest that really boots (or does not)."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hypervisor.accelerator import KVM_DEVICE
from hypervisor.guest.build import build_probe
from hypervisor.probe import boot_probe, choose_accelerator
from hypervisor.spec import MINIMUM_MEMORY_BYTES, DomainSpec

if TYPE_CHECKING:
    from pathlib import Path

    from hypervisor.connection import Connection
    from hypervisor.guest.kernel import Kernel

pytestmark = [pytest.mark.vm, pytest.mark.root]


@pytest.fixture
def spec(data_root: Path, kernel: Kernel, run_directory: Path) -> DomainSpec:
    """A probe under emulation, which works everywhere."""
    guest = build_probe(data_root, kernel)
    name = f"tare-probe-{os.getpid()}"
    return DomainSpec(name, "probe", run_directory / name, "tcg", MINIMUM_MEMORY_BYTES, guest.kernel, guest.initrd)


def test_a_guest_that_boots_passes(connection: Connection, spec: DomainSpec) -> None:
    outcome = boot_probe(connection, spec, deadline_s=60)
    assert outcome.passed, outcome.words
    assert not spec.directory.exists()
    assert connection.handle.listAllDomains() == []


def test_a_guest_that_hangs_fails_at_the_deadline(connection: Connection, spec: DomainSpec) -> None:
    """An emulated guest that has too little time is as silent as one that hangs."""
    outcome = boot_probe(connection, spec, deadline_s=0.7)
    assert not outcome.passed
    assert "no sign of life in 0.7 s" in outcome.words or "QEMU gave up" in outcome.words
    assert connection.handle.listAllDomains() == []


def test_a_guest_that_dies_fails_with_its_last_words(connection: Connection, spec: DomainSpec, data_root: Path) -> None:
    initrd = data_root / "no-init.cpio"
    initrd.write_bytes(bytes(512))
    initrd.chmod(0o644)
    outcome = boot_probe(connection, replace(spec, initrd=initrd), deadline_s=60)
    assert not outcome.passed
    assert "the guest's last words: " in outcome.words


def test_the_choice_is_honest_and_remembered(
    connection: Connection, data_root: Path, run_directory: Path, kernel: Kernel
) -> None:
    found = choose_accelerator(connection, data_root, run_directory, kernel)
    assert found.name in {"kvm", "tcg"}
    assert found.reason
    assert not found.cached
    if found.name == "tcg":
        assert str(KVM_DEVICE) in found.reason
    again = choose_accelerator(connection, data_root, run_directory, kernel)
    assert (again.name, again.reason) == (found.name, found.reason)
    assert again.cached or not KVM_DEVICE.exists()
