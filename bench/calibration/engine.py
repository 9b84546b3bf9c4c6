"""A container engine, in private directories and with daemons and a network of its own: the host's are left alone.

Its commands and daemons are started by threads of ours that have entered a network and a mount namespace made for it.
So bridges, addresses, firewall rules and mounts are as the engine likes them, and gone with the namespaces.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.calibration import commands
from bench.calibration.job import Weight, launch_each
from bench.calibration.namespaces import enter, make_namespaces
from bench.workload import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.calibration.ground import Ground
    from bench.calibration.job import Job, Timing

# The distribution's, whatever else is first on the caller's PATH.
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = "localhost/tare-calibrate:1"


class Engine:
    """What the engines have in common; each is a command line, with or without daemons behind it."""

    name = ""
    weight = Weight()
    needs: tuple[str, ...] = ()

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = ExitStack()
        self._opened = False
        self._environment: Mapping[str, str] | None = None
        self._problem: WorkloadError | None = None
        self._namespaces: tuple[int, ...] = ()

    def absence(self) -> str | None:
        """Whether its programs are installed."""
        missing = [name for name in self.needs if shutil.which(name, path=_SYSTEM_PATH) is None]
        return f"{missing[0]} is not installed" if missing else None

    def connects(self) -> bool:
        """To a bridge of its own."""
        return True

    def open(self) -> None:
        """Start its daemons, and have the image. Idempotent."""
        if self._problem is not None:
            raise self._problem
        if self._opened:
            return
        self._directory = self._ground.context.directory / self.name
        self._data = self._ground.context.containers / self.name
        self._log = self._ground.context.directory / f"{self.name}.log"
        self._directory.mkdir()
        self._data.mkdir()
        self._namespaces = make_namespaces()
        for fd in self._namespaces:
            self._stack.callback(os.close, fd)
        try:
            self._inside(self._start)
        except WorkloadError as error:
            self._problem = error
            raise
        self._opened = True

    def stock(self, jobs: Sequence[Job], parallel: int) -> None:
        """Nothing is made ahead."""

    def launch(self, jobs: Sequence[Job], parallel: int) -> Timing:
        """The whole command, as a user types it."""
        return launch_each(lambda job, _lane: self._call(*self._run(job)), jobs, parallel, self._enter)

    def remove(self, jobs: Sequence[Job]) -> None:
        """By force, all in one command."""
        if self._opened and jobs:
            self._inside(lambda: self._remove([job.name for job in jobs]))

    def close(self) -> None:
        """End the daemons. Idempotent."""
        self._opened = False
        self._stack.close()

    def _start(self) -> None:
        raise NotImplementedError

    def _run(self, job: Job) -> tuple[str, ...]:
        raise NotImplementedError

    def _remove(self, names: Sequence[str]) -> None:
        self._call("rm", "--force", *names)

    def _prefix(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _inside(self, do: Callable[[], None]) -> None:
        with ThreadPoolExecutor(1, initializer=self._enter) as pool:
            pool.submit(do).result()

    def _enter(self) -> None:
        enter(self._namespaces)

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
