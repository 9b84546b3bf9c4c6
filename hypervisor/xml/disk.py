"""``<disk>``: a raw image on virtio-blk, read-only and shared by all domains of one image."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disk:
    """The guest's ``target`` (vda) backed by a file that nobody writes."""

    source: str
    target: str

    def to_element(self) -> ET.Element:
        """``<disk>`` with ``<readonly>``; without locking, so that any number of domains open it."""
        element = ET.Element("disk", {"type": "file", "device": "disk"})
        ET.SubElement(element, "driver", {"name": "qemu", "type": "raw"})
        ET.SubElement(element, "source", {"file": self.source})
        ET.SubElement(element, "target", {"dev": self.target, "bus": "virtio"})
        ET.SubElement(element, "readonly")
        return element
