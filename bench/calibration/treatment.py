"""A treatment of the calibration: which program, with or without a network, how many at once."""

from __future__ import annotations

from dataclasses import dataclass

FLOOR = "floor"
RUNC = "runc"
_NETWORK = {"net": True, "alone": False}


@dataclass(frozen=True, slots=True)
class Key:
    """Written ``tare net x2`` in a run directory, as the driver."""

    name: str
    network: bool
    parallel: int

    def __str__(self) -> str:
        network = next(word for word, network in _NETWORK.items() if network == self.network)
        return f"{self.name} {network} x{self.parallel}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """The inverse; raises `ValueError`."""
        name, network, parallel = text.split(" ")
        if network not in _NETWORK or not parallel.startswith("x"):
            raise ValueError(f"{text!r} is no treatment of a calibration")
        return cls(name, _NETWORK[network], int(parallel[1:]))
