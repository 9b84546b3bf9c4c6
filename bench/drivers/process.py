"""Bare processes of the host: the control. The same program and files as in the boxes, with no box round them.

Each listens on a loopback address of its own (127/8 needs no set-up), so the image must say which of its arguments is
the port: the label `LISTEN_LABEL` holds the argument's index, and that argument becomes ``ADDRESS:PORT``.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.drivers import resources
from bench.drivers.launched import LaunchedInstance, image_process
from bench.meters import process_memory
from bench.workload import (
    Endpoint,
    ExecResult,
    HostCannot,
    InstanceStats,
    Pace,
    Requirement,
    Verb,
    WorkloadError,
    WorkloadSpec,
    next_state,
)
from runtime.image.flatten import flatten
from runtime.image.store import ImageStore
from runtime.process.client import EVERY_CAPABILITY, Launcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.context import RunContext
    from runtime.spec.container import Process

LISTEN_LABEL = "tare.listen-argument"
_ESTIMATE_BYTES = 256 << 10
_PER_NETWORK = 254


class ProcessDriver:
    """Starts the image's program as plain processes."""

    name = "process"
    pace = Pace()

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._stack = ExitStack()
        self._process: Process | None = None
        self._created = 0

    def requirements(self, spec: WorkloadSpec) -> tuple[Requirement, ...]:
        """What one more process takes of the host."""
        if os.geteuid() != 0:
            raise HostCannot("change a process's root directory: needs root", "run it again as root, or with sudo")
        listen_argument(spec)
        check_port(spec.port)
        return (
            resources.memory(_ESTIMATE_BYTES),
            resources.pids(per_instance=1, fixed=1),
            resources.open_files(per_instance=1, fixed=32),
            *resources.disk(self._context.roots.data, 4 << 10, 1),
        )

    def prepare(self, spec: WorkloadSpec) -> None:
        """One flat copy of the image for all of them, and a launcher. Idempotent."""
        if self._process is not None:
            return
        layers = ImageStore(self._context.roots.data).unpack(spec.image)
        self.root = self._context.containers / "process-root"
        flatten(layers, self.root)
        self.logs = self._context.containers / "process-logs"
        self.logs.mkdir(exist_ok=True)
        self._process = image_process(spec.image, layers, EVERY_CAPABILITY)
        self.spec = spec
        self.launcher = self._stack.enter_context(Launcher(self._context.label, None))

    def create(self, name: str) -> ProcessInstance:
        """A process with an address, not yet started."""
        if self._process is None:
            raise WorkloadError(f"create {name}: the driver is not prepared")
        self._created += 1
        address = loopback_address(self._created)
        argv = list(self._process.argv)
        argv[listen_argument(self.spec)] = f"{address}:{self.spec.port}"
        return ProcessInstance(self, name, address, dataclasses.replace(self._process, argv=tuple(argv)))

    def close(self) -> None:
        """End the launcher. Idempotent."""
        self._process = None
        self._stack.close()


def loopback_address(number: int) -> str:
    """The ``number``-th address of 127/8, from 127.18.0.1 on; .0 and .255 are left out."""
    network, host = divmod(number, _PER_NETWORK)
    return f"127.{18 + network // 256}.{network % 256}.{host + 1}"


def listen_argument(spec: WorkloadSpec) -> int:
    """The index of the argument that names the port; raises `HostCannot` for an image that does not say."""
    label = spec.image.config.labels.get(LISTEN_LABEL, "")
    if not label.isdigit() or int(label) >= len(spec.image.config.argv):
        hint = f"label the image {LISTEN_LABEL}=INDEX, or leave bare processes out with --processes 0"
        raise HostCannot(f"run {spec.image.reference} as bare processes: it does not say how to choose the port", hint)
    return int(label)


def check_port(port: int) -> None:
    """Raise `HostCannot` if somebody listens on the port on all addresses, which would take it on ours too."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((loopback_address(1), port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            hint = f"end what listens on port {port} (ss -ltnp), or leave bare processes out with --processes 0"
            raise HostCannot(f"listen on port {port}: already taken on this host", hint) from error


class ProcessInstance(LaunchedInstance):
    """One process of the host."""

    def __init__(self, driver: ProcessDriver, name: str, address: str, process: Process) -> None:
        super().__init__(driver.launcher, name, Endpoint(address, driver.spec.port, driver.spec.path))
        self._driver = driver
        self._process = process
        self._pid = 0

    def _launch(self) -> None:
        self._pid = self._launcher.spawn(self.name, self._driver.root, self._process, self._log_path)

    def _release(self) -> None:
        self._log_path.unlink(missing_ok=True)

    def stats(self) -> InstanceStats:
        """Of this one process; it has neither a group nor a limit."""
        next_state(self.state, Verb.STATS)
        memory = process_memory((self._pid,))
        return InstanceStats(memory.pss_bytes, memory.rss_bytes, None, None, None, memory.processes)

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """Run a command with the same root directory; there is nothing else to be inside of."""
        import subprocess

        next_state(self.state, Verb.EXEC)
        environment = dict(entry.split("=", 1) for entry in self._process.env)
        command = ["/usr/sbin/chroot", f"--userspec={self._process.uid}:{self._process.gid}", str(self._driver.root)]
        try:
            done = subprocess.run(
                [*command, *argv], env=environment, capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise WorkloadError(f"execute {argv[0]} in {self.name}: not done after {timeout_s:g} s") from error
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return ExecResult(status, done.stdout, done.stderr)

    def log(self) -> bytes:
        """Its stdout and stderr."""
        return self._log_path.read_bytes() if self._log_path.exists() else b""

    @property
    def _log_path(self) -> Path:
        return self._driver.logs / f"{self.name}.log"
