"""``<serial>`` and ``<console>``: the guest's first serial port, written to a file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Serial:
    """Port 0 of the guest, ``ttyS0``."""

    path: str

    def to_element(self) -> ET.Element:
        """``<serial type='file'>``; libvirt adds the matching ``<console>`` itself."""
        element = ET.Element("serial", {"type": "file"})
        ET.SubElement(element, "source", {"path": self.path})
        ET.SubElement(element, "target", {"port": "0"})
        return element
