"""Libvirt's own parser reads our definitions, in its `test` driver: no daemon, no QEMU."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypervisor.connection import open_libvirt
from hypervisor.spec import DomainSpec, Link, define
from hypervisor.xml.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libvirt

LINK = Link("tare0", "tare-1", "02:42:c6:12:00:02", IPv4Interface("198.18.0.2/24"), IPv4Address("198.18.0.1"))


@pytest.fixture
def test_driver() -> Iterator[libvirt.virConnect]:
    connection = open_libvirt("test:///default")
    yield connection
    connection.close()


@pytest.mark.parametrize("accelerator", ["tcg", "kvm"])
def test_the_definition_survives_libvirts_parser(test_driver: libvirt.virConnect, accelerator: str) -> None:
    spec = DomainSpec(
        f"tare-{accelerator}",
        "run-7",
        Path("/run/tare/run-7"),
        accelerator,
        256 << 20,
        Path("/boot/vmlinux"),
        Path("/boot/initrd"),
        Path("/disk"),
        LINK,
    )
    # The driver runs domains of the kind `test` only, of an old 32-bit machine without CPU models.
    xml = replace(define(spec, 1, 2), kind="test").to_element()
    for element in ("os/type", "cpu"):
        for found in xml.findall(element):
            found.attrib.clear()
    xml.remove(xml.findall("cpu")[0])
    domain = test_driver.defineXML(ET.tostring(xml, encoding="unicode"))
    kept = ET.fromstring(domain.XMLDesc())  # noqa: S314 - libvirt wrote it
    assert Metadata.from_element(kept) == Metadata("run-7")
    assert kept.findtext("os/cmdline") == " ".join(spec.kernel_parameters())
    assert [disk.get("file") for disk in kept.findall("devices/disk/source")] == ["/disk"]
    assert kept.find("devices/memballoon[@freePageReporting='on']") is not None
    assert kept.findtext("memory") == str(256 << 10)


def test_somebody_elses_domain_has_no_label_of_ours(test_driver: libvirt.virConnect) -> None:
    theirs = test_driver.lookupByName("test")
    xml = ET.fromstring(theirs.XMLDesc())  # noqa: S314 - libvirt wrote it
    assert Metadata.from_element(xml) is None
