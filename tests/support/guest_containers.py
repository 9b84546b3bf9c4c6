"""Runs inside a guest, as its process: containers on version 2 control groups. Prints one line of findings, as JSON."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cgroups.cgroup import Cgroup, create_parents, remove_directory
from runtime.cgroups.hierarchy import host_hierarchy
from runtime.linux import capabilities, constants, syscalls
from runtime.linux.filter import compile_filter
from runtime.linux.numbers import numbers
from runtime.process.client import Launcher, LauncherError
from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs
from runtime.spec.profile import default_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
GROUP = "tare/run"
_MS_MOVE = 0x2000  # linux/mount.h


def make_process(*argv: str, cwd: str = "/") -> Process:
    seccomp = compile_filter(default_profile(capabilities.DEFAULT)).program
    return Process(argv, ("PATH=/bin",), cwd, capabilities=capabilities.mask(capabilities.DEFAULT), seccomp=seccomp)


def make_spec(name: str, process: Process, resources: Resources) -> ContainerSpec:
    directory = f"/run/{name}"
    rootfs = Rootfs(("/image",), f"{directory}/upper", f"{directory}/work")
    return ContainerSpec(name, name, directory, f"{GROUP}/{name}", process, rootfs, resources)


@contextmanager
def running(launcher: Launcher, spec: ContainerSpec) -> Iterator[int]:
    pid = launcher.launch(spec)
    try:
        yield pid
    finally:
        launcher.remove(spec.id)


def run(launcher: Launcher, spec: ContainerSpec) -> tuple[int | None, str]:
    with running(launcher, spec):
        return launcher.wait(spec.id, 120), Path(spec.log_path).read_text()


def observe(launcher: Launcher) -> dict[str, object]:
    """Everything that the test wants to know."""
    hierarchy = host_hierarchy()
    limits = Resources(memory_bytes=16 * MIB, cpus=0.5, pids=10)
    spec = make_spec("limited", make_process("sleep", "1000"), limits)
    group = Cgroup(hierarchy, spec.cgroup)
    found: dict[str, object] = {"version": hierarchy.version}
    with running(launcher, spec) as pid:
        (directory,) = map(Path, group.directories)
        files = ("memory.max", "cpu.max", "pids.max")
        found["limits"] = [(directory / name).read_text().strip() for name in files]
        found["processes are its own"] = group.pids() == (pid,)
        found["charged"] = group.memory_bytes() > 0
        found["seen from outside"] = Path(f"/proc/{pid}/cgroup").read_text().strip()
        out, out_write = os.pipe()
        other = launcher.execute(spec.id, "other", make_process("cat", "/proc/self/cgroup"), out_write, out_write)
        os.close(out_write)
        found["status of another"] = launcher.wait("other", 60)
        found["seen from inside"] = os.read(out, 100).decode().strip()
        launcher.remove("other")
        lasting = launcher.execute(spec.id, "lasting", make_process("sleep", "1000"), out, out)
        found["another is in the group"] = set(group.pids()) == {pid, lasting} and lasting != other
        found["ways out"] = [cwd for cwd in working_directories() if leads_somewhere(launcher, spec, cwd)]
    found["another went along"] = launcher.exit_status("lasting")
    launcher.remove("lasting")
    found["removed"] = not directory.exists() and not Path(spec.directory).exists()
    greedy = make_process("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    found["too much memory"] = run(launcher, make_spec("greedy", greedy, limits))[0]
    found["inside"] = run(launcher, make_spec("inside", make_process("cat", "/proc/self/cgroup"), limits))
    found["bounded"] = bomb(launcher, hierarchy_mount=hierarchy.mount("pids"), limits=limits)
    found["left"] = [entry.name for entry in Path(f"{hierarchy.mount('memory')}/{GROUP}").iterdir() if entry.is_dir()]
    return found


def working_directories() -> list[str]:
    return [f"/proc/self/fd/{number}" for number in range(3, 30)]


def leads_somewhere(launcher: Launcher, spec: ContainerSpec, cwd: str) -> bool:
    """Whether a process could be executed with one of the launcher's descriptors as its working directory."""
    try:
        launcher.execute(spec.id, f"in {cwd}", make_process("true", cwd=cwd), 1, 2)
    except LauncherError:
        return False
    launcher.wait(f"in {cwd}", 60)
    launcher.remove(f"in {cwd}")
    return True


def bomb(launcher: Launcher, hierarchy_mount: str, limits: Resources) -> bool:
    script = "b() { b & b & wait; }; (b) 2>/dev/null; sleep 1000"
    spec = make_spec("bomb", make_process("sh", "-c", script), replace(limits, memory_bytes=None))
    with running(launcher, spec):
        events = Path(hierarchy_mount) / spec.cgroup / "pids.events"
        deadline = time.monotonic() + 60
        while events.read_text() == "max 0\n" and time.monotonic() < deadline:
            time.sleep(0.05)
        current = int((Path(hierarchy_mount) / spec.cgroup / "pids.current").read_text())
        return events.read_text() != "max 0\n" and current <= 10


def call(name: str, *arguments: int | bytes) -> None:
    buffers = [ctypes.create_string_buffer(value) if isinstance(value, bytes) else value for value in arguments]
    words = [value if isinstance(value, int) else ctypes.addressof(value) for value in buffers]
    result = syscalls.raw(numbers()[name], *words)
    if result < 0:
        raise OSError(-result, f"{name}: {os.strerror(-result)}")


def leave_the_initramfs() -> None:
    """Make the guest's root that of a mount namespace, as switch_root does.

    Its init only changes our root directory. But who joins a container's mount namespace gets that one's root, and
    pivot_root(2) from a changed root directory leaves the initramfs there.
    """
    os.chroot("/proc/1/root")
    os.chdir("/root")
    call("unshare", constants.CLONE_NEWNS)
    call("mount", b".", b"/", 0, _MS_MOVE, 0)
    os.chroot(".")
    os.chdir("/")


def main() -> None:
    """Mount what a host would have mounted, and look."""
    leave_the_initramfs()
    for kind, target in (("cgroup2", "/sys/fs/cgroup"), ("tmpfs", "/run")):
        subprocess.run(("/image/bin/busybox", "mount", "-t", kind, kind, target), check=True)
    hierarchy = host_hierarchy()
    create_parents(hierarchy, GROUP)
    Path("/run/rootfs").mkdir()
    with Launcher("test", Path("/run/rootfs")) as launcher:
        found = observe(launcher)
    for directory in Cgroup(hierarchy, GROUP).directories:
        remove_directory(directory)
    sys.stdout.write(f"FOUND {json.dumps(found)}\n")
    sys.stdout.flush()


main()
