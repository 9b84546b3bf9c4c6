"""``<os>``: direct boot of a kernel and its initramfs, without firmware menus or boot loaders."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DirectBoot:
    """What the machine starts; ``parameters`` are the kernel's command line."""

    machine: str
    kernel: str
    initrd: str
    parameters: tuple[str, ...]

    def to_element(self) -> ET.Element:
        """``<os>`` of a fully virtualized machine."""
        element = ET.Element("os")
        ET.SubElement(element, "type", {"arch": "x86_64", "machine": self.machine}).text = "hvm"
        ET.SubElement(element, "kernel").text = self.kernel
        ET.SubElement(element, "initrd").text = self.initrd
        ET.SubElement(element, "cmdline").text = " ".join(self.parameters)
        return element
