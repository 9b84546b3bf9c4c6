"""Our own runtime with network namespaces and their links made ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.calibration.tare import Tare
from bench.workload import WorkloadError
from runtime.process.client import LauncherError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.calibration.job import Job


class TarePool(Tare):
    """As `Tare`, but the network of a container is there before it is asked for."""

    name = "tare-pool"

    def stock(self, jobs: Sequence[Job], parallel: int) -> None:
        """One network for each, in the launcher that will be asked for the container."""
        for number, job in enumerate(jobs):
            try:
                self._launchers[number % parallel].stock(self._ground.container(job).network)
            except LauncherError as error:
                raise WorkloadError(f"make the network of {job.name} ahead: {error}") from error
