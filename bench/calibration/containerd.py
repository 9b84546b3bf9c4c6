"""containerd, by its own command line ``ctr``, and as what docker stands on."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from bench.calibration import commands
from bench.calibration.commands import Daemon
from bench.calibration.engine import IMAGE, Engine, program
from bench.calibration.ground import IDLE
from bench.calibration.job import Weight
from bench.workload import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.calibration.job import Job


def start_containerd(directory: Path, data: Path, log: Path) -> tuple[Daemon, str]:
    """A containerd of our own, and the address of its socket."""
    address = str(directory / "containerd.sock")
    config = directory / "containerd.toml"
    disabled = [f"io.containerd.{name}" for name in ("grpc.v1.cri", "snapshotter.v1.btrfs", "snapshotter.v1.zfs")]
    config.write_text(
        f"version = 2\nroot = '{data}/containerd'\nstate = '{directory}/containerd'\n"
        f"disabled_plugins = {json.dumps(disabled)}\n[grpc]\naddress = '{address}'\n",
        encoding="utf-8",
    )
    ready = (program("ctr"), "--address", address, "version")
    return Daemon((program("containerd"), "--config", str(config)), ready, log), address


class Containerd(Engine):
    """``ctr run -d``, with a containerd of our own."""

    name = "ctr"
    weight = Weight(pids=16, memory_bytes=6 << 20)
    needs = ("containerd", "ctr", "skopeo")

    def connects(self) -> bool:
        """Only by a set of CNI configurations that a host rarely has."""
        return False

    def _start(self) -> None:
        containerd, self._address = start_containerd(self._directory, self._data, self._log)
        self._stack.callback(containerd.close)
        archive = self._directory / "image.tar"
        image = self._ground.spec.image
        source = f"oci:{self._ground.context.roots.data / 'images'}:{image.reference}"
        skopeo = (program("skopeo"), "--insecure-policy", "copy", source, f"oci-archive:{archive}:{IMAGE}")
        commands.run(*skopeo, log=self._log)
        self._call("images", "import", str(archive))
        listed = subprocess.run((*self._prefix(), "images", "list", "-q"), capture_output=True, text=True, check=False)
        names = listed.stdout.split()
        if not names:
            raise WorkloadError("import the image into containerd: it lists none")
        self._image = names[0]

    def _prefix(self) -> tuple[str, ...]:
        return program("ctr"), "--address", self._address

    def _run(self, job: Job) -> tuple[str, ...]:
        spec = self._ground.spec
        limits = ("--memory-limit", str(spec.memory_bytes), "--cpus", f"{spec.cpus:g}")
        place = ("--cgroup", f"/{self._ground.group(self.name)}/{job.name}")
        return ("run", "--detach", *place, *limits, self._image, job.name, *IDLE)

    def _remove(self, names: Sequence[str]) -> None:
        """It has no command that does it for several."""
        for name in names:
            self._call("tasks", "kill", "--signal", "SIGKILL", name)
        for name in names:
            self._call("tasks", "delete", "--force", name)
        self._call("containers", "delete", *names)
