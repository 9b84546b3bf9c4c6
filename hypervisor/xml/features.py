"""``<features>``: ACPI (power button, device discovery) and the size of the emulator's translation cache."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Features:
    """``translation_cache_mib`` bounds TCG's code buffer; None where nothing is translated."""

    translation_cache_mib: int | None = None

    def to_element(self) -> ET.Element:
        """``<features>`` with ``<tcg>`` only under emulation: libvirt refuses it under KVM."""
        element = ET.Element("features")
        ET.SubElement(element, "acpi")
        if self.translation_cache_mib is not None:
            tcg = ET.SubElement(element, "tcg")
            ET.SubElement(tcg, "tb-cache", {"unit": "MiB"}).text = str(self.translation_cache_mib)
        return element
