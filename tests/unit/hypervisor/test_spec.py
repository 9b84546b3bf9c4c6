from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from hypervisor.errors import DomainError
from hypervisor.spec import DomainSpec, Link, define

GOLDEN = Path(__file__).parents[2] / "golden/domain"
LINK = Link(
    bridge="tare0",
    tap="tare-ab12-1",
    mac="02:42:c6:12:00:02",
    address=IPv4Interface("198.18.0.2/24"),
    gateway=IPv4Address("198.18.0.1"),
)
SPEC = DomainSpec(
    name="tare-ab12-vm-1",
    run_id="ab12",
    directory=Path("/run/tare/ab12/vm/1"),
    accelerator="tcg",
    memory_bytes=128 << 20,
    kernel=Path("/var/lib/tare/guest/kernel/6.1/boot/vmlinux"),
    initrd=Path("/var/lib/tare/guest/initramfs/0f.cpio"),
    disk=Path("/var/lib/tare/guest/disks/1e.erofs"),
    link=LINK,
    vcpus=1,
    uuid="8f4fe1a2-6a4c-4d51-9d6e-4a3b2c1d0e0f",
)
PROBE = replace(SPEC, name="tare-probe-1", accelerator="kvm", disk=None, link=None)
OTHER: dict[str, Any] = {
    "name": "tare-other",
    "run_id": "cd34",
    "directory": Path("/run/tare/cd34"),
    "accelerator": "kvm",
    "memory_bytes": 256 << 20,
    "kernel": Path("/k"),
    "initrd": Path("/i"),
    "disk": Path("/d"),
    "link": replace(LINK, tap="tare-x"),
    "vcpus": 2,
    "uuid": "00000000-6a4c-4d51-9d6e-4a3b2c1d0e0f",
}
OTHER_LINK: dict[str, Any] = {
    "bridge": "tare1",
    "tap": "tare-y",
    "mac": "02:42:c6:12:00:03",
    "address": IPv4Interface("198.18.0.3/25"),
    "gateway": IPv4Address("198.18.0.9"),
}


def definition(spec: DomainSpec) -> str:
    return define(spec, 64055, 107).to_string()


@pytest.mark.parametrize(
    ("name", "spec"), [("tcg", SPEC), ("kvm", replace(SPEC, accelerator="kvm", vcpus=2)), ("probe", PROBE)]
)
def test_definitions_are_the_golden_ones(name: str, spec: DomainSpec) -> None:
    assert definition(spec) == (GOLDEN / f"{name}.xml").read_text()


@pytest.mark.parametrize("field", [field.name for field in fields(DomainSpec)])
def test_every_field_of_a_spec_reaches_the_definition(field: str) -> None:
    changed = replace(SPEC, **{field: OTHER[field]})
    assert definition(changed) != definition(SPEC)


@pytest.mark.parametrize("field", [field.name for field in fields(Link)])
def test_every_field_of_a_link_reaches_the_definition(field: str) -> None:
    changed = replace(SPEC, link=replace(LINK, **{field: OTHER_LINK[field]}))
    assert definition(changed) != definition(SPEC)


def test_two_specs_never_share_a_uuid() -> None:
    assert DomainSpec("a", "r", Path("/d"), "tcg", 1 << 30, Path("/k"), Path("/i")).uuid != SPEC.uuid


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a/b"}, "domain name 'a/b'"),
        ({"name": ""}, "domain name ''"),
        ({"name": "x" * 64}, "domain name"),
        ({"accelerator": "hvf"}, "neither kvm nor tcg"),
        ({"memory_bytes": 64 << 20}, "64 MiB is too small"),
        ({"memory_bytes": -1}, "too small"),
        ({"vcpus": 0}, "0 virtual CPUs"),
        ({"directory": Path("/run") / ("x" * 100)}, "longer than 107 bytes"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        replace(SPEC, **change)


@pytest.mark.parametrize("tap", ["eth0", "vnet1", "tare", "tare-" + "x" * 11, "tare/1", "tare 1"])
def test_a_tap_is_known_as_ours_by_its_name(tap: str) -> None:
    with pytest.raises(DomainError, match="tap name"):
        replace(LINK, tap=tap)


def test_under_kvm_the_kernel_stays_as_it_was_shipped() -> None:
    assert "cryptomgr.notests" not in replace(SPEC, accelerator="kvm").kernel_parameters()
    assert "cryptomgr.notests" in SPEC.kernel_parameters()
