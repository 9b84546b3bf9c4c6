"""``<controller>``: here only to say that there is no USB, which libvirt would otherwise add."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller by type and model."""

    kind: str
    model: str

    def to_element(self) -> ET.Element:
        """``<controller>``."""
        return ET.Element("controller", {"type": self.kind, "model": self.model})
