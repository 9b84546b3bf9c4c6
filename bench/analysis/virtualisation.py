"""How the virtual machines of a run were run, and what may therefore be said about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results import Manifest


@dataclass(frozen=True, slots=True)
class Virtualisation:
    """``label`` stands beside every figure of a VM, ``adjective`` before the word in a sentence.

    ``caveat`` is empty only for hardware virtualisation on a bare host.
    """

    label: str
    adjective: str
    caveat: str
    emulated: bool

    @property
    def times_hold(self) -> bool:
        """Whether a VM's times here may be read as those of a VM on hardware."""
        return not self.caveat


def virtualisation(manifest: Manifest) -> Virtualisation | None:
    """What the manifest says; ``None`` if the run had no virtual machines."""
    facts = manifest.accelerator
    if facts is None:
        return None
    name = facts.name.lower()
    if name == "tcg":
        return Virtualisation("emulated (TCG)", "emulated (TCG) ", _CAVEATS["tcg"], emulated=True)
    if name == "kvm" and manifest.host.virtualization not in {None, "", "none"}:
        return Virtualisation("nested KVM", "nested-KVM ", _CAVEATS["nested"], emulated=False)
    if name == "kvm":
        return Virtualisation("KVM", "", "", emulated=False)
    return Virtualisation(facts.name, f"{facts.name} ", f"{_CAVEATS['other']} {facts.name}", emulated=False)


_CAVEATS = {
    "tcg": "the VMs ran in software emulation (TCG), many times slower than on hardware virtualisation",
    "nested": "the VMs ran inside another VM (nested KVM), where every exit costs more than on a bare host",
    "other": "nothing is known here of how times compare with those of hardware virtualisation under",
}
