"""``<metadata>``: how a domain is known to be ours, and of which run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

NAMESPACE = "urn:tare:domain:1"
_RUN = f"{{{NAMESPACE}}}run"

ET.register_namespace("tare", NAMESPACE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Our label, in our namespace."""

    run_id: str

    def to_element(self) -> ET.Element:
        """The element that libvirt keeps with the domain and gives back unread."""
        element = ET.Element("metadata")
        ET.SubElement(element, _RUN, {"id": self.run_id})
        return element

    @classmethod
    def from_element(cls, domain: ET.Element) -> Metadata | None:
        """The label of a ``<domain>``, or None: it is somebody else's."""
        label = domain.find(f"metadata/{_RUN}")
        return None if label is None else cls(run_id=label.get("id", ""))
