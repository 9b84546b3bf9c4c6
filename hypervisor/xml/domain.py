"""``<domain>``: the whole definition, put together from the other elements."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hypervisor.xml.boot import DirectBoot
    from hypervisor.xml.cpu import Cpu
    from hypervisor.xml.features import Features
    from hypervisor.xml.metadata import Metadata
    from hypervisor.xml.seclabel import SecLabel


class Device(Protocol):
    """What may stand in ``<devices>``."""

    def to_element(self) -> ET.Element:
        """The device's element."""


@dataclass(frozen=True, slots=True)
class DomainXml:
    """A machine that is gone once it is off: it never reboots and is never defined persistently."""

    kind: str
    name: str
    uuid: str
    memory_bytes: int
    vcpus: int
    metadata: Metadata
    boot: DirectBoot
    features: Features
    cpu: Cpu
    devices: tuple[Device, ...]
    seclabel: SecLabel

    def to_element(self) -> ET.Element:
        """``<domain>`` in the order of libvirt's own documentation."""
        element = ET.Element("domain", {"type": self.kind})
        ET.SubElement(element, "name").text = self.name
        ET.SubElement(element, "uuid").text = self.uuid
        element.append(self.metadata.to_element())
        ET.SubElement(element, "memory", {"unit": "bytes"}).text = str(self.memory_bytes)
        ET.SubElement(element, "vcpu", {"placement": "static"}).text = str(self.vcpus)
        element.extend(part.to_element() for part in (self.boot, self.features, self.cpu))
        ET.SubElement(element, "clock", {"offset": "utc"})
        for event in ("on_poweroff", "on_reboot", "on_crash"):
            ET.SubElement(element, event).text = "destroy"
        devices = ET.SubElement(element, "devices")
        devices.extend(device.to_element() for device in self.devices)
        element.append(self.seclabel.to_element())
        return element

    def to_string(self) -> str:
        """The definition as libvirt takes it, indented for people."""
        element = self.to_element()
        ET.indent(element)
        return ET.tostring(element, encoding="unicode") + "\n"
