"""Virtual machines through libvirt, of the same image: the contract over `hypervisor`."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING

from bench.drivers import resources
from bench.results import AcceleratorFacts
from bench.workload import (
    Endpoint,
    ExecResult,
    HostCannot,
    InstanceStats,
    Pace,
    Requirement,
    State,
    Verb,
    WorkloadError,
    WorkloadSpec,
    next_state,
)
from hypervisor.binding import load_libvirt
from hypervisor.connection import EMULATOR, Connection
from hypervisor.domain import Domain
from hypervisor.errors import HostLacks, HypervisorError
from hypervisor.guest.build import GuestRoot, build_guest
from hypervisor.guest.kernel import installed_kernel
from hypervisor.probe import choose_accelerator
from hypervisor.spec import MINIMUM_MEMORY_BYTES, DomainSpec, Link
from runtime.image.store import ImageStore
from runtime.network.addresses import BRIDGES, PORTS, PREFIX_LENGTH, InstanceAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.context import RunContext
    from bench.drivers.network import RunNetwork
    from hypervisor.guest.build import Guest

# For the preflight only: what QEMU takes beside the guest's RAM, at its worst under emulation.
_VMM_BYTES = 160 << 20
_CONSOLE_BYTES = 1 << 20
_THREADS = 16
_FILES = 64


class VmDriver:
    """Makes virtual machines of the prepared image."""

    name = "vm"

    def __init__(self, context: RunContext, network: RunNetwork) -> None:
        self._context = context
        self.network = network
        self._stack = ExitStack()
        self._guest: Guest | None = None
        self.accelerator: AcceleratorFacts | None = None
        self.versions: dict[str, str] = {}

    @property
    def pace(self) -> Pace:
        """As many at once as there are processors: booting keeps one busy until the guest answers."""
        return Pace(slots=len(os.sched_getaffinity(0)), until_answer=True)

    def requirements(self, spec: WorkloadSpec) -> tuple[Requirement, ...]:
        """What one more virtual machine takes of the host."""
        if os.geteuid() != 0:
            raise HostCannot("make virtual machines: needs root", "run it again as root, or with sudo")
        if shutil.which(EMULATOR) is None:
            raise HostCannot(f"find {EMULATOR}: not on this host", "install it with: apt-get install qemu-system-x86")
        with _as_workload_errors():
            load_libvirt()
            installed_kernel(self._context.roots.data)
        if spec.memory_bytes < MINIMUM_MEMORY_BYTES:
            least = f"{MINIMUM_MEMORY_BYTES >> 20}MiB"
            given = f"{spec.memory_bytes >> 20}MiB"
            raise HostCannot(f"boot a guest in {given}: its kernel needs {least}", f"bench density --memory {least}")
        self.network.check()
        return (
            resources.memory(spec.memory_bytes + _VMM_BYTES),
            resources.pids(per_instance=_THREADS, fixed=32),
            resources.open_files(per_instance=_FILES, fixed=256),
            resources.bridge_ports(PORTS, BRIDGES),
            resources.inotify(0),
            *resources.disk(self._context.roots.run, _CONSOLE_BYTES, 8),
        )

    def prepare(self, spec: WorkloadSpec) -> None:
        """Disk and initramfs of the image, bridges up, libvirt open, the accelerator chosen. Idempotent."""
        if self._guest is not None:
            return
        data = self._context.roots.data
        config = spec.image.config
        layers = ImageStore(data).unpack(spec.image)
        root = GuestRoot(
            digest=spec.image.digest,
            layers=layers,
            argv=config.argv,
            env=config.env,
            user=config.user,
            working_dir=config.working_dir or "/",
        )
        self.network.open()
        with _as_workload_errors():
            kernel = installed_kernel(data)
            guest = build_guest(data, kernel, root)
            self.connection = self._stack.enter_context(Connection(self._context.directory, data))
            chosen = choose_accelerator(self.connection, data, self._context.directory, kernel)
        self.accelerator = AcceleratorFacts(chosen.name, chosen.reason, chosen.probe_s, chosen.cached)
        self.versions = {
            "qemu": self.connection.qemu_version,
            "libvirt": f"{self.connection.libvirt_version} ({self.connection.kind})",
            "guest kernel": kernel.version,
        }
        self.spec = spec
        self._guest = guest

    def create(self, name: str) -> VmInstance:
        """A virtual machine with an address, not yet started."""
        if self._guest is None or self.accelerator is None:
            raise WorkloadError(f"create {name}: the driver is not prepared")
        address = self.network.pool.acquire()
        link = Link(
            bridge=address.bridge.name,
            tap=f"taret{address.number}",
            mac=address.mac,
            address=IPv4Interface(f"{address.address}/{PREFIX_LENGTH}"),
            gateway=IPv4Address(address.bridge.gateway),
        )
        with _as_workload_errors():
            spec = DomainSpec(
                name=name,
                run_id=self._context.run_id,
                directory=self._context.directory / name,
                accelerator=self.accelerator.name,
                memory_bytes=self.spec.memory_bytes,
                kernel=self._guest.kernel,
                initrd=self._guest.initrd,
                disk=self._guest.disk,
                link=link,
                vcpus=math.ceil(self.spec.cpus),
            )
        return VmInstance(self, address, Domain(self.connection, spec))

    def close(self) -> None:
        """Close libvirt; what it still ran is destroyed. Idempotent."""
        self._guest = None
        self._stack.close()


class VmInstance:
    """One virtual machine."""

    def __init__(self, driver: VmDriver, address: InstanceAddress, domain: Domain) -> None:
        self._driver = driver
        self._address: InstanceAddress | None = address
        self._domain = domain
        self.name = domain.name
        self.endpoint = Endpoint(address.address, driver.spec.port, driver.spec.path)

    @property
    def state(self) -> State:
        """As libvirt sees it."""
        return State(self._domain.state)

    def start(self) -> None:
        """Returns when libvirt has accepted; the guest's kernel has hardly begun."""
        next_state(self.state, Verb.START)
        if self._address is not None:
            self._driver.network.announce((self._address,))
        with _as_workload_errors():
            self._domain.start()

    def stats(self) -> InstanceStats:
        """Of QEMU, its control group, and the guest's own kernel."""
        next_state(self.state, Verb.STATS)
        with _as_workload_errors():
            stats = self._domain.stats()
        return InstanceStats(
            pss_bytes=stats.pss_bytes,
            rss_bytes=stats.rss_bytes,
            cgroup_bytes=stats.cgroup_bytes,
            configured_bytes=stats.configured_bytes,
            guest_used_bytes=stats.guest_used_bytes,
            processes=stats.processes,
        )

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """Run a command in the guest, through its agent."""
        next_state(self.state, Verb.EXEC)
        with _as_workload_errors():
            result = self._domain.exec(argv, timeout_s)
        return ExecResult(result.exit_status, result.stdout, result.stderr)

    def log(self) -> bytes:
        """The guest's console."""
        return self._domain.console()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the guest, and pull the plug after ``timeout_s``."""
        next_state(self.state, Verb.STOP)
        with _as_workload_errors():
            self._domain.stop(timeout_s)

    def remove(self) -> None:
        """Destroy it if it runs; release its files, link and address."""
        next_state(self.state, Verb.REMOVE)
        with _as_workload_errors():
            self._domain.remove()
        if self._address is not None:
            self._driver.network.pool.release(self._address)
            self._address = None


@contextmanager
def _as_workload_errors() -> Iterator[None]:
    try:
        yield
    except HostLacks as error:
        raise HostCannot(str(error), error.hint) from error
    except HypervisorError as error:
        raise WorkloadError(str(error)) from error
