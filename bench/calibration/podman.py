"""podman, with storage and networks of our own."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from bench.calibration.engine import IMAGE, Engine, program
from bench.calibration.ground import IDLE
from bench.calibration.job import Weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.calibration.job import Job

_CONFIGURATIONS = {"CONF": "containers", "STORAGE_CONF": "storage"}
_ENGINE = """[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
pull_policy = "never"
runtime = "runc"
"""


def podman_environment(directory: Path, data: Path) -> dict[str, str]:
    """What lets podman use storage and networks of our own."""
    (directory / "storage.conf").write_text(
        f"[storage]\ndriver = 'overlay'\ngraphroot = '{data}'\nrunroot = '{directory}/run'\n", encoding="utf-8"
    )
    (directory / "containers.conf").write_text(_configuration(directory), encoding="utf-8")
    files = {f"CONTAINERS_{name}": f"{directory}/{file}.conf" for name, file in _CONFIGURATIONS.items()}
    return {**os.environ, **files, "DISABLE_HC_SYSTEMD": "true"}


def _configuration(directory: Path) -> str:
    """It asks for more files and processes than root may have who lacks CAP_SYS_RESOURCE: ask for what there is."""
    pids = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    hard = {
        "nofile": min(_hard_limit(resource.RLIMIT_NOFILE), 1 << 20),
        "nproc": min(_hard_limit(resource.RLIMIT_NPROC), pids),
    }
    limits = json.dumps([f"{name}={limit}:{limit}" for name, limit in hard.items()])
    networks = f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{directory}/networks"\n'
    return f"[containers]\ndefault_ulimits = {limits}\n{_ENGINE}{networks}"


class Podman(Engine):
    """``podman run -d``."""

    name = "podman"
    weight = Weight(pids=4, memory_bytes=3 << 20)
    needs = ("podman", "conmon", "runc")

    def _start(self) -> None:
        self._environment = podman_environment(self._directory, self._data)
        self._call("import", str(self._archive()), IMAGE)

    def _prefix(self) -> tuple[str, ...]:
        return (program("podman"),)

    def _run(self, job: Job) -> tuple[str, ...]:
        network = ("--network", "none" if job.address is None else "podman")
        place = ("--name", job.name, "--cgroup-parent", f"/{self._ground.group(self.name)}")
        return ("run", "--detach", *place, *network, *self._limits(), IMAGE, *IDLE)

    def _remove(self, names: Sequence[str]) -> None:
        self._call("rm", "--force", "--time", "0", *names)


def _hard_limit(kind: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return hard if hard != resource.RLIM_INFINITY else 1 << 30
