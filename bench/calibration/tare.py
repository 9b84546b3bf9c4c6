"""Our own runtime, used in-process: everything between the request and the answer of the launcher counts."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.calibration.job import Weight, launch_each
from bench.workload import WorkloadError
from runtime.process.client import Launcher, LauncherError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.calibration.ground import Ground
    from bench.calibration.job import Job, Timing


class Tare:
    """One launcher for each of the containers launched at once."""

    name = "tare"
    weight = Weight()

    def __init__(self, ground: Ground, launchers: int) -> None:
        self._ground = ground
        self._count = launchers
        self._stack = ExitStack()
        self._launchers: list[Launcher] = []
        self._lanes: dict[str, Launcher] = {}

    def absence(self) -> str | None:
        """Never."""
        return None

    def connects(self) -> bool:
        """A link, an address and a route."""
        return True

    def open(self) -> None:
        """Start the launchers. Idempotent."""
        while len(self._launchers) < self._count:
            ground = self._ground
            launcher = Launcher(ground.context.label, ground.mountpoint, ground.process.capabilities)
            self._launchers.append(self._stack.enter_context(launcher))

    def stock(self, jobs: Sequence[Job], parallel: int) -> None:
        """Nothing is made ahead."""

    def launch(self, jobs: Sequence[Job], parallel: int) -> Timing:
        """The whole request: describing the container, the messages, the launch."""
        return launch_each(self._launch, jobs, parallel)

    def _launch(self, job: Job, lane: int) -> None:
        launcher = self._launchers[lane]
        self._lanes[job.name] = launcher
        try:
            launcher.launch(self._ground.container(job))
        except LauncherError as error:
            raise WorkloadError(f"launch {job.name}: {error}") from error

    def remove(self, jobs: Sequence[Job]) -> None:
        """Kill all, then reap and remove each."""
        for job in jobs:
            if job.name in self._lanes:
                self._lanes[job.name].signal(job.name, signal.SIGKILL)
        for job in jobs:
            if job.name in self._lanes:
                self._lanes.pop(job.name).remove(job.name)

    def close(self) -> None:
        """End the launchers. Idempotent."""
        self._launchers.clear()
        self._lanes.clear()
        self._stack.close()
