"""A container engine, in private directories and with daemons of its own, so that the host's are left alone."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.calibration import commands
from bench.calibration.job import launch_each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.calibration.ground import Ground
    from bench.calibration.job import Job, Timing

# The distribution's, whatever else is first on the caller's PATH.
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = "localhost/tare-calibrate:1"


class Engine:
    """What the engines have in common; each is a command line, with or without daemons behind it."""

    name = ""
    needs: tuple[str, ...] = ()

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = ExitStack()
        self._opened = False
        self._environment: Mapping[str, str] | None = None

    def absence(self) -> str | None:
        """Whether its programs are installed."""
        missing = [name for name in self.needs if shutil.which(name, path=_SYSTEM_PATH) is None]
        return f"{missing[0]} is not installed" if missing else None

    def connects(self) -> bool:
        """To a bridge of its own."""
        return True

    def open(self) -> None:
        """Start its daemons, and have the image. Idempotent."""
        if self._opened:
            return
        self._directory = self._ground.context.directory / self.name
        self._data = self._ground.context.containers / self.name
        self._log = self._ground.context.directory / f"{self.name}.log"
        self._directory.mkdir()
        self._data.mkdir()
        self._start()
        self._opened = True

    def stock(self, jobs: Sequence[Job]) -> None:
        """Nothing is made ahead."""

    def launch(self, jobs: Sequence[Job], parallel: int) -> Timing:
        """The whole command, as a user types it."""
        return launch_each(lambda job, _lane: self._call(*self._run(job)), jobs, parallel)

    def remove(self, jobs: Sequence[Job]) -> None:
        """By force, all in one command."""
        if self._opened and jobs:
            self._call(*self._remove([job.name for job in jobs]))

    def close(self) -> None:
        """End the daemons. Idempotent."""
        self._opened = False
        self._stack.close()

    def _start(self) -> None:
        raise NotImplementedError

    def _run(self, job: Job) -> tuple[str, ...]:
        raise NotImplementedError

    def _remove(self, names: Sequence[str]) -> tuple[str, ...]:
        return ("rm", "--force", *names)

    def _prefix(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _call(self, *arguments: str) -> None:
        commands.run(*self._prefix(), *arguments, env=self._environment, log=self._log)

    def _limits(self) -> tuple[str, ...]:
        """The same for all, in the words that docker and podman share."""
        spec = self._ground.spec
        user = self._ground.process
        return (
            "--memory", str(spec.memory_bytes), "--cpus", f"{spec.cpus:g}", "--pids-limit", str(spec.pids_limit),
            "--user", f"{user.uid}:{user.gid}", "--security-opt", "no-new-privileges",
        )  # fmt: skip

    def _archive(self) -> Path:
        """The flat root as a tar archive."""
        archive = self._directory / "root.tar"
        command = ("tar", "--create", "--file", str(archive), "--directory", str(self._ground.flat), ".")
        commands.run(*command, log=self._log)
        return archive


def program(name: str) -> str:
    """Where the distribution's program of this name is."""
    return shutil.which(name, path=_SYSTEM_PATH) or name
