"""docker, with a dockerd and a containerd of our own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.calibration.commands import Daemon
from bench.calibration.containerd import start_containerd
from bench.calibration.engine import IMAGE, Engine, program
from bench.calibration.ground import IDLE
from bench.calibration.job import Weight

if TYPE_CHECKING:
    from pathlib import Path

    from bench.calibration.job import Job


def start_docker(directory: Path, data: Path, log: Path, group: str) -> tuple[ExitStack, str]:
    """A dockerd and a containerd of our own, to be closed, and where the first listens; containers are in ``group``."""
    with ExitStack() as stack:
        containerd, address = start_containerd(directory, data, log)
        stack.callback(containerd.close)
        (directory / "daemon.json").write_text("{}", encoding="utf-8")
        host = f"unix://{directory / 'docker.sock'}"
        options = {
            "--containerd": address,
            "--data-root": str(data / "docker"),
            "--exec-root": str(directory / "exec"),
            "--pidfile": str(directory / "docker.pid"),
            "--host": host,
            "--config-file": str(directory / "daemon.json"),
            "--cgroup-parent": group,
        }
        words = [word for option in options.items() for word in option]
        command = (program("dockerd"), *words, "--iptables=false", "--ip-masq=false")
        stack.callback(Daemon(command, (program("docker"), "--host", host, "version"), log).close)
        return stack.pop_all(), host


class Docker(Engine):
    """``docker run -d``."""

    name = "docker"
    weight = Weight(pids=16, memory_bytes=8 << 20)
    needs = ("docker", "dockerd", "containerd", "ctr")

    def _start(self) -> None:
        group = f"/{self._ground.group(self.name)}"
        daemons, self._host = start_docker(self._directory, self._data, self._log, group)
        self._stack.callback(daemons.close)
        self._call("import", str(self._archive()), IMAGE)

    def _prefix(self) -> tuple[str, ...]:
        return program("docker"), "--host", self._host

    def _run(self, job: Job) -> tuple[str, ...]:
        network = ("--network", "none" if job.address is None else "bridge")
        return ("run", "--detach", "--name", job.name, *network, *self._limits(), IMAGE, *IDLE)
