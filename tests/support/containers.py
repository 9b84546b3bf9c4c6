"""A real launcher on private directories, and small images for it. Everything made is below one temporary directory."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.cgroups.cgroup import Cgroup, create_parents, remove_directory
from runtime.cgroups.hierarchy import CgroupError, Hierarchy, host_hierarchy
from runtime.image.builder import Directory, Entry, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from runtime.linux import capabilities
from runtime.linux.filter import compile_filter
from runtime.network.addresses import PORTS, InstanceAddress
from runtime.process.client import Launcher
from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs
from runtime.spec.profile import default_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSYBOX = Path("/bin/busybox")
NOBODY = 65534
PATH = "PATH=/bin"
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
}
# A bridge far above those that a run takes.
BRIDGE = 400 + os.getpid() % 100
_serial = count()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a container's first process ended, and what it said."""

    status: int | None
    output: str

    @property
    def lines(self) -> list[str]:
        """Of the output."""
        return self.output.splitlines()


@dataclass(slots=True)
class Ground:
    """One launcher, its directories and its control groups."""

    directory: Path
    group: str
    hierarchy: Hierarchy
    layers: tuple[Path, ...]
    launcher: Launcher
    seccomp: bytes
    names: Iterator[int] = field(default_factory=count)

    def process(self, *argv: str, **changes: Any) -> Process:
        """A process with the rights of a default container, as root."""
        mask = capabilities.mask(capabilities.DEFAULT)
        return replace(Process(argv, (PATH,), capabilities=mask, seccomp=self.seccomp), **changes)

    def spec(self, process: Process, **changes: Any) -> ContainerSpec:
        """A container of this image without a network."""
        name = f"c{next(self.names)}"
        directory = f"{self.directory}/containers/{name}"
        rootfs = Rootfs(tuple(map(str, self.layers)), f"{directory}/upper", f"{directory}/work")
        group = f"{self.group}/{name}"
        return replace(ContainerSpec(name, name, directory, group, process, rootfs, Resources()), **changes)

    def run(self, *argv: str, resources: Resources | None = None, timeout_s: float = 30, **changes: Any) -> Outcome:
        """Launch, wait for the end, remove; the output is what the log then held."""
        spec = self.spec(self.process(*argv, **changes), resources=resources or Resources())
        self.launcher.launch(spec)
        try:
            status = self.launcher.wait(spec.id, timeout_s)
            return Outcome(status, Path(spec.log_path).read_text(errors="replace"))
        finally:
            self.launcher.remove(spec.id)

    def shell(self, script: str, **changes: Any) -> Outcome:
        """`run` of a shell script."""
        return self.run("sh", "-c", script, **changes)

    @contextmanager
    def running(self, *argv: str, **changes: Any) -> Iterator[tuple[ContainerSpec, int]]:
        """A container that runs while the body does, and its first process's pid."""
        spec = self.spec(self.process(*(argv or ("sleep", "1000"))), **changes)
        pid = self.launcher.launch(spec)
        try:
            yield spec, pid
        finally:
            self.launcher.remove(spec.id)

    def execute(self, name: str, *argv: str, timeout_s: float = 30, **changes: Any) -> tuple[int | None, bytes, bytes]:
        """Run a further process in the container; status, stdout, stderr (of at most a pipe's size)."""
        exec_name = f"{name}/exec{next(self.names)}"
        with ExitStack() as stack:
            (out, out_write), (err, err_write) = os.pipe(), os.pipe()
            for fd in (out, err):
                stack.callback(os.close, fd)
            try:
                self.launcher.execute(name, exec_name, self.process(*argv, **changes), out_write, err_write)
            finally:
                os.close(out_write)
                os.close(err_write)
            stack.callback(self.launcher.remove, exec_name)
            status = self.launcher.wait(exec_name, timeout_s)
            return status, os.read(out, 65536), os.read(err, 65536)

    def cgroup(self, spec: ContainerSpec) -> Cgroup:
        """The container's own."""
        return Cgroup(self.hierarchy, spec.cgroup)

    def leftovers(self) -> list[str]:
        """Directories and control groups of containers that are still there."""
        groups = [
            entry
            for parent in Cgroup(self.hierarchy, self.group).directories
            for entry in Path(parent).iterdir()
            if entry.is_dir()
        ]
        return sorted(map(str, [*(self.directory / "containers").iterdir(), *groups]))


def require_root() -> None:
    """Skip unless this process may make containers here."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not BUSYBOX.exists():
        pytest.skip("needs /bin/busybox (busybox-static)")
    try:
        host_hierarchy()
    except CgroupError as error:
        pytest.skip(f"needs control groups: {error}")


def base_layer() -> LayerRecipe:
    """Busybox with all its applets, and the directories that a root needs."""
    applets = subprocess.run((BUSYBOX, "--list"), capture_output=True, text=True, check=True).stdout.split()
    entries: list[Entry] = [Directory(name) for name in ("bin", "dev", "etc", "proc", "root", "srv", "sys")]
    entries += [Directory("tmp", mode=0o1777), File("bin/busybox", BUSYBOX.read_bytes(), mode=0o755)]
    entries += [Symlink(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"]
    entries += [File(f"etc/{name}", text.encode()) for name, text in _ETC.items()]
    return LayerRecipe(tuple(entries), "busybox")


def unpack(directory: Path, *layers: LayerRecipe) -> tuple[Path, ...]:
    """The layers as directories, bottom first, by way of a real image."""
    store = ImageStore(directory)
    return store.unpack(build_image(store, "test:1", layers, ImageConfig()))


@contextmanager
def make_ground(directory: Path, layers: tuple[Path, ...]) -> Iterator[Ground]:
    """A launcher whose every trace is removed, and was removed by itself."""
    hierarchy = host_hierarchy()
    # Not below /tare: whoever cleans up after a run must not meet a test's.
    group = f"tare-test-{os.getpid()}-{next(_serial)}"
    (directory / "containers").mkdir(parents=True)
    (directory / "rootfs").mkdir()
    seccomp = compile_filter(default_profile(capabilities.DEFAULT)).program
    with ExitStack() as stack:
        create_parents(hierarchy, group)
        for path in Cgroup(hierarchy, group).directories:
            stack.callback(remove_directory, path)
        launcher = stack.enter_context(Launcher("test", directory / "rootfs"))
        yield Ground(directory, group, hierarchy, layers, launcher, seccomp)


def link(path: str) -> str:
    """Where the link leads; ``pid:[4026531836]`` of a namespace."""
    return str(Path(path).readlink())


def instance_address(number: int) -> InstanceAddress:
    """The ``number``-th on a bridge of our own, far above those that a run takes."""
    return InstanceAddress(BRIDGE * PORTS + number)
