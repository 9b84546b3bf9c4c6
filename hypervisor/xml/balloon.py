"""``<memballoon>``: the guest's own memory figures, and pages it frees given back to the host."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Balloon:
    """``stats_period_s`` is how often the guest reports; free page reporting is always on."""

    stats_period_s: int

    def to_element(self) -> ET.Element:
        """``<memballoon model='virtio'>``."""
        element = ET.Element("memballoon", {"model": "virtio", "freePageReporting": "on"})
        ET.SubElement(element, "stats", {"period": str(self.stats_period_s)})
        return element
