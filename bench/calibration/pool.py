"""Our own runtime with network namespaces and their links made ahead."""

from __future__ import annotations

from bench.calibration.tare import Tare


class TarePool(Tare):
    """As `Tare`, but what a container's network takes is there before it is asked for."""

    name = "tare-pool"
