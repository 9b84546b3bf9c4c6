"""``<rng>``: entropy from the host, so that no guest waits for its own."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rng:
    """A virtio entropy device backed by a file of the host."""

    source: str = "/dev/urandom"

    def to_element(self) -> ET.Element:
        """``<rng model='virtio'>``."""
        element = ET.Element("rng", {"model": "virtio"})
        ET.SubElement(element, "backend", {"model": "random"}).text = self.source
        return element
