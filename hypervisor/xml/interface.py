"""``<interface>``: a virtio network card whose tap device libvirt puts on a bridge of ours."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """``tap`` is the host's end; libvirt removes it together with the domain."""

    bridge: str
    tap: str
    mac: str

    def to_element(self) -> ET.Element:
        """``<interface type='bridge'>``; no option ROM, since nothing boots from the network."""
        element = ET.Element("interface", {"type": "bridge"})
        ET.SubElement(element, "mac", {"address": self.mac})
        ET.SubElement(element, "source", {"bridge": self.bridge})
        ET.SubElement(element, "target", {"dev": self.tap})
        ET.SubElement(element, "model", {"type": "virtio"})
        ET.SubElement(element, "rom", {"enabled": "no"})
        return element
