"""Containers, by our own runtime, used in-process: one launcher for all of them."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

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
from runtime.cgroups.cgroup import Cgroup, create_parents, remove_directory
from runtime.cgroups.hierarchy import CgroupError, Hierarchy, host_hierarchy
from runtime.image.store import ImageStore
from runtime.linux import capabilities
from runtime.linux.filter import compile_filter
from runtime.linux.seccomp import SeccompError
from runtime.network.addresses import BRIDGES, PORTS, InstanceAddress
from runtime.process.client import Launcher, LauncherError
from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs
from runtime.spec.profile import default_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.context import RunContext
    from bench.drivers.network import RunNetwork

# For the preflight only: what an idle container was seen to cost, doubled. The run itself measures it.
_ESTIMATE_BYTES = 1 << 20
_DISK_BYTES = 32 << 10
_INODES = 6
# The kernel takes a network namespace apart some time after its last process has gone (cleanup_net).
_LINK_GONE_WITHIN_S = 10.0
_NOT_EXECUTED = 127


class ContainerDriver:
    """Makes containers of the prepared image."""

    name = "container"
    pace = Pace()

    def __init__(self, context: RunContext, network: RunNetwork) -> None:
        self._context = context
        self.network = network
        self._stack = ExitStack()
        self._process: Process | None = None

    def requirements(self, spec: WorkloadSpec) -> tuple[Requirement, ...]:
        """What one more container takes of the host."""
        if os.geteuid() != 0:
            raise HostCannot("make containers: needs root", "run it again as root, or with sudo")
        try:
            host_hierarchy()
        except CgroupError as error:
            raise HostCannot(str(error), "mount cgroup2 on /sys/fs/cgroup") from error
        del spec
        self.network.check()
        return (
            resources.memory(_ESTIMATE_BYTES),
            resources.pids(per_instance=1, fixed=1),
            resources.open_files(per_instance=1, fixed=32),
            resources.network_namespaces(1),
            resources.bridge_ports(PORTS, BRIDGES),
            resources.inotify(0),
            *resources.disk(self._context.roots.data, _DISK_BYTES, _INODES),
        )

    def prepare(self, spec: WorkloadSpec) -> None:
        """Layers unpacked, bridges up, the seccomp filter compiled, the launcher waiting. Idempotent."""
        if self._process is not None:
            return
        layers = ImageStore(self._context.roots.data).unpack(spec.image)
        self.network.open()
        self.hierarchy = host_hierarchy()
        self._stack.callback(self._remove_parents, self.hierarchy)
        create_parents(self.hierarchy, self._context.cgroup)
        mountpoint = self._context.directory / "rootfs"
        mountpoint.mkdir(exist_ok=True)
        self._process = make_process(spec, layers)
        self.layers = tuple(map(str, layers))
        self.spec = spec
        self.launcher = self._stack.enter_context(Launcher(self._context.label, mountpoint, self._process.capabilities))

    def create(self, name: str) -> ContainerInstance:
        """A container with an address, not yet started."""
        if self._process is None:
            raise WorkloadError(f"create {name}: the driver is not prepared")
        address = self.network.pool.acquire()
        wait_until_gone(link_name(address))
        return ContainerInstance(self, name, address, self._process)

    def container_spec(self, name: str, address: InstanceAddress, process: Process) -> ContainerSpec:
        """The whole of it, as the launcher takes it."""
        from runtime.network.requests import container_network

        directory = f"{self._context.containers}/{name}"
        return ContainerSpec(
            id=name,
            hostname=name,
            directory=directory,
            cgroup=f"{self._context.cgroup}/{name}",
            process=process,
            rootfs=Rootfs(self.layers, f"{directory}/upper", f"{directory}/work"),
            resources=Resources(self.spec.memory_bytes, self.spec.cpus, self.spec.pids_limit),
            network=container_network(address, self.network.bridge_index(address), link_name(address)),
        )

    def close(self) -> None:
        """End the launcher and remove the run's control groups. Idempotent."""
        self._process = None
        self._stack.close()

    def _remove_parents(self, hierarchy: Hierarchy) -> None:
        for directory in Cgroup(hierarchy, self._context.cgroup).directories:
            remove_directory(directory)
            remove_if_last(Path(directory).parent)


def link_name(address: InstanceAddress) -> str:
    """The host's end of the container's link."""
    return f"tarev{address.number}"


def wait_until_gone(link: str) -> None:
    """Until the kernel has deleted the link of the container that had this address before."""
    deadline = time.monotonic() + _LINK_GONE_WITHIN_S
    while os.path.lexists(f"/sys/class/net/{link}"):
        if time.monotonic() > deadline:
            raise WorkloadError(f"create link {link}: one of this name is still there")
        time.sleep(0.001)


def remove_if_last(directory: Path) -> None:
    """Remove the group above a run's own unless another run has one there."""
    if not any(entry.is_dir() for entry in directory.iterdir()):
        remove_directory(str(directory))


def make_process(spec: WorkloadSpec, layers: tuple[Path, ...]) -> Process:
    """The image's process, with the rights of a default container."""
    try:
        seccomp = compile_filter(default_profile(capabilities.DEFAULT)).program
    except SeccompError as error:
        raise HostCannot(str(error), "install it with: apt-get install libseccomp2") from error
    return image_process(spec.image, layers, capabilities.mask(capabilities.DEFAULT), seccomp)


class ContainerInstance(LaunchedInstance):
    """One container of ours."""

    def __init__(self, driver: ContainerDriver, name: str, address: InstanceAddress, process: Process) -> None:
        super().__init__(driver.launcher, name, Endpoint(address.address, driver.spec.port, driver.spec.path))
        self._driver = driver
        self._address = address
        self._process = process
        self._execs = 0
        self._spec = driver.container_spec(name, address, process)

    def _launch(self) -> None:
        self._launcher.launch(self._spec)

    def _release(self) -> None:
        self._driver.network.pool.release(self._address)

    def stats(self) -> InstanceStats:
        """Of every process in its control group."""
        next_state(self.state, Verb.STATS)
        cgroup = self._cgroup()
        memory = process_memory(cgroup.pids())
        return InstanceStats(
            pss_bytes=memory.pss_bytes,
            rss_bytes=memory.rss_bytes,
            cgroup_bytes=cgroup.memory_bytes(),
            configured_bytes=self._driver.spec.memory_bytes,
            guest_used_bytes=None,
            processes=memory.processes,
        )

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """Run a command beside its first process, with the same rights."""
        next_state(self.state, Verb.EXEC)
        self._execs += 1
        exec_name = f"{self.name}/exec{self._execs}"
        process = dataclasses.replace(self._process, argv=tuple(argv))
        with ExitStack() as stack:
            outputs = [stack.enter_context(_Pipe()) for _ in range(2)]
            try:
                self._launcher.execute(self.name, exec_name, process, outputs[0].write_end, outputs[1].write_end)
            except LauncherError as error:
                if str(error).startswith(f"execute {argv[0]}:"):  # it came as far as execve
                    return ExecResult(_NOT_EXECUTED, b"", f"{error}\n".encode())
                raise WorkloadError(f"execute {argv[0]} in {self.name}: {error}") from error
            stack.callback(self._launcher.remove, exec_name)
            for output in outputs:
                output.drain()
            status = self._launcher.wait(exec_name, timeout_s)
            if status is None:
                raise WorkloadError(f"execute {argv[0]} in {self.name}: not done after {timeout_s:g} s")
            self._launcher.remove(exec_name)
            return ExecResult(status, *(output.content() for output in outputs))

    def log(self) -> bytes:
        """Its stdout and stderr."""
        path = Path(self._spec.log_path)
        return path.read_bytes() if path.exists() else b""

    def _cgroup(self) -> Cgroup:
        return Cgroup(self._driver.hierarchy, self._spec.cgroup)


class _Pipe:
    """A pipe whose reading end is emptied by a thread, so that a command that writes much cannot block."""

    def __enter__(self) -> Self:
        self.read_end, self.write_end = os.pipe()
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._read)
        return self

    def drain(self) -> None:
        """From now on only the command holds the writing end."""
        os.close(self.write_end)
        self.write_end = -1
        self._thread.start()

    def content(self) -> bytes:
        """Everything written, once the command has closed its end."""
        self._thread.join()
        return b"".join(self._chunks)

    def _read(self) -> None:
        while chunk := os.read(self.read_end, 65536):
            self._chunks.append(chunk)

    def __exit__(self, *_: object) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self.read_end)
