"""``<channel>``: a virtio-serial port that the host sees as a unix socket."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Channel:
    """``name`` is what the guest finds in /sys/class/virtio-ports/*/name."""

    socket: str
    name: str

    def to_element(self) -> ET.Element:
        """``<channel type='unix'>`` on which libvirt listens, so that QEMU needs no right to the directory."""
        element = ET.Element("channel", {"type": "unix"})
        ET.SubElement(element, "source", {"mode": "bind", "path": self.socket})
        ET.SubElement(element, "target", {"type": "virtio", "name": self.name})
        return element
