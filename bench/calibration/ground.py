"""What all peers stand on: one image, unpacked and flattened, the same process, limits, bridges and control groups."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.drivers.container import link_name, make_process, remove_if_last
from runtime.cgroups.cgroup import create_parents, remove_directory
from runtime.cgroups.hierarchy import Hierarchy, host_hierarchy
from runtime.image.flatten import flatten
from runtime.image.store import ImageStore
from runtime.process.init import Bounds
from runtime.process.launch import Surroundings
from runtime.rootfs.plan import masked_paths
from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs

if TYPE_CHECKING:
    from bench.calibration.job import Job
    from bench.context import RunContext
    from bench.drivers.network import RunNetwork
    from bench.workload import WorkloadSpec

# As idle as a process can be, in busybox and in any other image of the same name.
IDLE = ("/bin/sleep", "2147483647")


class Ground:
    """Prepared once for a run; every treatment launches its containers on it."""

    def __init__(self, context: RunContext, network: RunNetwork, spec: WorkloadSpec) -> None:
        self.context = context
        self.network = network
        self.spec = spec
        self._stack = ExitStack()
        self._opened = False

    def open(self) -> None:
        """Unpack, flatten, make the bridges and the groups above the containers'. Idempotent."""
        if self._opened:
            return
        layers = ImageStore(self.context.roots.data).unpack(self.spec.image)
        self.network.open()
        self.hierarchy: Hierarchy = host_hierarchy()
        self._stack.callback(self._remove_parents)
        create_parents(self.hierarchy, self.group("tare"))
        self.mountpoint = self.context.directory / "rootfs"
        self.mountpoint.mkdir()
        self.flat = self.context.containers / "flat"
        flatten(layers, self.flat)
        self.process: Process = replace(make_process(self.spec, layers), argv=IDLE)
        self.layers = tuple(map(str, layers))
        self.null_fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._stack.callback(os.close, self.null_fd)
        self._opened = True

    def container(self, job: Job) -> ContainerSpec:
        """The container of this job, as our own runtime takes it."""
        from runtime.network.requests import container_network

        directory = f"{self.context.containers}/{job.name}"
        network = None
        if job.address is not None:
            network = container_network(job.address, self.network.bridge_index(job.address), link_name(job.address))
        return ContainerSpec(
            id=job.name,
            hostname=job.name,
            directory=directory,
            cgroup=f"{self.group('tare')}/{job.name}",
            process=self.process,
            rootfs=Rootfs(self.layers, f"{directory}/upper", f"{directory}/work"),
            resources=Resources(self.spec.memory_bytes, self.spec.cpus, self.spec.pids_limit),
            network=network,
        )

    def group(self, name: str) -> str:
        """The control group above a program's containers: some remove it when they remove the last of them."""
        return f"{self.context.cgroup}/{name}"

    def surroundings(self) -> Surroundings:
        """What a launcher of its own would have."""
        bounds = Bounds(self.process.capabilities, resource.getrlimit(resource.RLIMIT_NOFILE))
        return Surroundings(self.hierarchy, str(self.mountpoint), masked_paths(), self.null_fd, bounds, self.null_fd)

    def close(self) -> None:
        """Remove the groups. Idempotent."""
        self._opened = False
        self._stack.close()

    def _remove_parents(self) -> None:
        """Other programs make the groups above a container's in every hierarchy, and leave them."""
        mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        for mount in {line.split(" ")[4] for line in mountinfo if " - cgroup" in line}:
            top = Path(mount, self.context.cgroup)
            for directory, _, _ in os.walk(top, topdown=False):
                remove_directory(directory)
            if top.parent != Path(mount) and top.parent.is_dir():
                remove_if_last(top.parent)
