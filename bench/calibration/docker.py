"""docker, with a dockerd and a containerd of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.calibration.commands import Daemon
from bench.calibration.containerd import start_containerd
from bench.calibration.engine import IMAGE, Engine, program
from bench.calibration.ground import IDLE
from bench.calibration.job import Weight

if TYPE_CHECKING:
    from pathlib import Path

    from bench.calibration.job import Job


class Docker(Engine):
    """``docker run -d``."""

    name = "docker"
    weight = Weight(pids=16, memory_bytes=8 << 20)
    needs = ("docker", "dockerd", "containerd", "ctr")

    def _start(self) -> None:
        containerd, address = start_containerd(self._directory, self._data, self._log)
        self._stack.callback(containerd.close)
        (self._directory / "daemon.json").write_text("{}", encoding="utf-8")
        options = {
            "--containerd": address,
            "--data-root": str(self._data / "docker"),
            "--exec-root": str(self._directory / "exec"),
            "--pidfile": str(self._directory / "docker.pid"),
            "--host": f"unix://{self._socket}",
            "--config-file": str(self._directory / "daemon.json"),
            "--cgroup-parent": f"/{self._ground.group(self.name)}",
        }
        switches = ("--iptables=false", "--ip-masq=false")
        words = [word for option in options.items() for word in option]
        command = (program("dockerd"), *words, *switches)
        self._stack.callback(Daemon(command, (*self._prefix(), "version"), self._log).close)
        self._call("import", str(self._archive()), IMAGE)

    @property
    def _socket(self) -> Path:
        return self._directory / "docker.sock"

    def _prefix(self) -> tuple[str, ...]:
        return program("docker"), "--host", f"unix://{self._socket}"

    def _run(self, job: Job) -> tuple[str, ...]:
        network = ("--network", "none" if job.address is None else "bridge")
        return ("run", "--detach", "--name", job.name, *network, *self._limits(), IMAGE, *IDLE)
