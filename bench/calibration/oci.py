"""OCI runtimes as cold commands: one process for each container, from its start to its end."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import runtime
from bench.calibration import commands
from bench.calibration.bundle import write_bundle
from bench.calibration.job import Weight, launch_each
from bench.workload import WorkloadError
from runtime.linux import constants, syscalls
from runtime.linux.numbers import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.calibration.ground import Ground
    from bench.calibration.job import Job, Timing

OURS = Path(runtime.__file__).parent / "cli" / "tare-runtime"
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class OciRuntime:
    """``PROGRAM run --detach`` on a bundle that was written before."""

    weight = Weight()

    def __init__(self, name: str, program: str, ground: Ground, *, pure: bool = False) -> None:
        """``pure``: it refuses a host that has version 2 of control groups mounted beside version 1."""
        self.name = name
        self._program = program
        self._ground = ground
        self._pure = pure

    def absence(self) -> str | None:
        """Whether it is installed."""
        return None if shutil.which(self._program, path=_SYSTEM_PATH) else f"{self._program} is not installed"

    def connects(self) -> bool:
        """A runtime makes the namespace; to connect it is its engine's business."""
        return False

    def open(self) -> None:
        """Make the directories for its state and for bundles. Idempotent."""
        self._path = shutil.which(self._program, path=_SYSTEM_PATH) or self._program
        self._state = self._ground.context.directory / f"{self.name}-state"
        self._log = self._ground.context.directory / f"{self.name}.log"
        self._state.mkdir(exist_ok=True)

    def stock(self, jobs: Sequence[Job], parallel: int) -> None:
        """Write the bundles: an engine would have done so before it calls."""
        del parallel
        for job in jobs:
            spec = replace(self._ground.container(job), cgroup=f"{self._ground.group(self.name)}/{job.name}")
            write_bundle(self._bundle(job), self._ground.flat, spec)

    def launch(self, jobs: Sequence[Job], parallel: int) -> Timing:
        """The whole command."""
        return launch_each(self._run, jobs, parallel, self._hide_unified)

    def _run(self, job: Job, _lane: int) -> None:
        self._call("run", "--detach", "--bundle", str(self._bundle(job)), job.name)

    def remove(self, jobs: Sequence[Job]) -> None:
        """Delete by force, one after the other."""

        def delete(job: Job, _lane: int) -> None:
            self._call("delete", "--force", job.name)
            shutil.rmtree(self._bundle(job), ignore_errors=True)

        launch_each(delete, [job for job in jobs if self._bundle(job).exists()], 1, self._hide_unified)

    def close(self) -> None:
        """Nothing runs between commands."""

    def _call(self, *arguments: str) -> None:
        commands.run(self._path, "--root", str(self._state), *arguments, log=self._log)

    def _bundle(self, job: Job) -> Path:
        return self._ground.context.directory / f"{self.name}-{job.name}"

    def _hide_unified(self) -> None:
        """Give the calling thread, and the commands it starts, mounts of its own without version 2 beside version 1."""
        unified = self._unified()
        if not self._pure or self._ground.hierarchy.version != 1 or unified is None:
            return
        call = numbers()
        if syscalls.raw(call["unshare"], constants.CLONE_NEWNS) < 0:
            raise WorkloadError(f"run {self.name}: a mount namespace cannot be made")
        for command in (("mount", "--make-rprivate", "/"), ("umount", "--lazy", unified)):
            commands.run(*command)

    @staticmethod
    def _unified() -> str | None:
        lines = Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8").splitlines()
        return next((line.split(" ")[4] for line in lines if " - cgroup2 " in line), None)


def oci_runtimes(ground: Ground) -> tuple[OciRuntime, ...]:
    """Ours as a command, and the two that everybody has."""
    return (
        OciRuntime("tare-cold", str(OURS), ground),
        OciRuntime("crun", "crun", ground, pure=True),
        OciRuntime("runc", "runc", ground),
    )
