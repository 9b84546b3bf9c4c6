"""``<cpu>``: the processor model that the guest sees."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """``mode`` is ``host-passthrough`` (KVM) or ``maximum`` (all that the emulator can do)."""

    mode: str

    def to_element(self) -> ET.Element:
        """``<cpu>``; not checked against the host, since the guest never migrates."""
        return ET.Element("cpu", {"mode": self.mode, "check": "none"})
