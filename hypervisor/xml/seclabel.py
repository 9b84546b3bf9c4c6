"""``<seclabel>``: the user that QEMU runs as."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecLabel:
    """``relabel='no'``: libvirt must not change the owner of kernels and disks that all domains share."""

    uid: int
    gid: int

    def to_element(self) -> ET.Element:
        """``<seclabel model='dac'>`` with numbers (the leading + says that they are no names)."""
        element = ET.Element("seclabel", {"type": "static", "model": "dac", "relabel": "no"})
        ET.SubElement(element, "label").text = f"+{self.uid}:+{self.gid}"
        return element
