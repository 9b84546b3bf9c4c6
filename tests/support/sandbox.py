"""A host in a host: namespaces and control groups in which container engines run as on a machine of their own.

What engines leave on a host, such as links, firewall rules, mounts, daemons and control groups, is left in here, and
ends with the first process of the sandbox's pid namespace. ``/run`` and ``/dev/shm`` are empty, ``/sys`` is mounted
anew so that it shows this network, and what is seen as the root of the control groups is a group of the sandbox's. The
rest of the file system is the host's.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAMESPACES = ("--mount", "--net", "--pid", "--cgroup", "--ipc", "--uts")
_TMPFS = ("/run", "/dev/shm", "/var/lib/containers")
_V1_OPTIONS = re.compile(
    "name=.+|cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|hugetlb|perf_event|net_cls|net_prio|rdma|misc"
)
_V2_CONTROLLERS = {"cpu", "cpuset", "io", "memory", "pids"}
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/run/home",
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
}


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One of the host's hierarchies of control groups; ``options`` are empty for version 2."""

    mount_point: str
    options: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Shell that mounts it at the same place."""
        named = ["none"] if self.options and all("=" in option for option in self.options) else []
        kind = f"cgroup -o {','.join([*named, *self.options])}" if self.options else "cgroup2"
        return f"mkdir -p {self.mount_point}; mount -t {kind} cgroup {self.mount_point}"


def hierarchies(mountinfo: str) -> tuple[Hierarchy, ...]:
    """Those that are mounted (proc_pid_mountinfo(5)), in order; a later mount of one may be somebody's container's."""
    found = []
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            kept = tuple(option for option in options.split(",") if kind == "cgroup" and _V1_OPTIONS.fullmatch(option))
            found.append(Hierarchy(head.split(" ")[4], kept))
    return tuple(found)


def _script(mounted: Sequence[Hierarchy], foreign: Sequence[Hierarchy]) -> str:
    """What the first process does in the new namespaces."""
    lines = ["mount --make-rprivate /", "mount -t proc proc /proc", "umount -l /sys", "mount -t sysfs sysfs /sys"]
    lines += [f"umount -l {hierarchy.mount_point}" for hierarchy in foreign]
    if all(hierarchy.mount_point != "/sys/fs/cgroup" for hierarchy in mounted):
        lines.append("mount -t tmpfs cgroup /sys/fs/cgroup")
    lines += [hierarchy.command for hierarchy in mounted]
    lines += [f"if [ -d {path} ]; then mount -t tmpfs tmpfs {path}; fi" for path in _TMPFS]
    lines += [
        "if [ -d /dev/mqueue ]; then mount -t mqueue mqueue /dev/mqueue; fi",
        "mkdir /run/lock /run/home",
        "ip link set lo up",
        "mount --make-rshared /",
        "echo ready",
        "exec >&-",
        "exec tini -s -- sleep infinity",
    ]
    return "\n".join(lines)


@dataclass(slots=True)
class Sandbox:
    """The namespaces, held by the process ``pid``, and the sandbox's control groups on the host."""

    name: str
    pid: int
    groups: tuple[Path, ...]
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))

    @property
    def root(self) -> Path:
        """The sandbox's file system as seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def command(self, *argv: str) -> list[str]:
        """What runs ``argv`` in the sandbox: it joins the control groups, then the namespaces, then becomes it."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-C", "-i", "-u", "--"]
        join = "".join(f"echo 0 > {group}/{_entrance(group)}; " for group in self.groups)
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return ["sh", "-ec", f'{join}exec "$@"', "sh", *enter, "env", "-i", "-C", "/run/home", *variables, *argv]

    def run(self, *argv: str, timeout_s: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the sandbox to its end."""
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        command = self.command(*argv)
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s, **options)

    def output(self, *argv: str) -> str:
        """What a command that must succeed says."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{shlex.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the sandbox."""
        options = {"stdin": subprocess.DEVNULL, "text": True} | options
        return subprocess.Popen(self.command(*argv), **options)

    @contextmanager
    def running(self, *argv: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A command that has ended afterwards."""
        with self.popen(*argv, **options) as process:
            try:
                yield process
            finally:
                send(process, signal.SIGKILL)
                process.kill()

    def inventory(self, directory: Path) -> dict[str, set[str]]:
        """What containers would leave behind; of mounts, those below ``/run`` and ``directory``."""
        names = (path.relative_to(group) for group in self.groups for path in group.rglob("*") if path.is_dir())
        mounts = [line.split(" ")[4] for line in (self.root / "proc/1/mountinfo").read_text().splitlines()]
        listed = self.output("ps", "-ww", "-eo", "args=").splitlines()
        return {
            "processes": {args for args in listed if not args.startswith("ps -ww")},
            "links": set(re.findall(r"^\d+: ([^:@]+)", self.output("ip", "-o", "link"), re.MULTILINE)),
            "mounts": {path for path in mounts if path.startswith(("/run/", f"{directory}/"))},
            "cgroups": set(map(str, names)),
            "namespaces": {path.name for path in self.root.glob("run/netns/*")},
        }


def send(process: subprocess.Popen[Any], signal_number: int) -> None:
    """Send a signal to a sandbox's command: what we started is ``nsenter``, which has it as its child."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with suppress(FileNotFoundError, ProcessLookupError):
        for pid in children.read_text().split():
            os.kill(int(pid), signal_number)


def _entrance(group: Path) -> str:
    """The file that takes in the writer. ``tasks`` of version 1 does not wait for a grace period of RCU."""
    return "tasks" if (group / "tasks").exists() else "session/cgroup.procs"


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """A sandbox; afterwards no process, mount, link or control group of it exists."""
    every = hierarchies(Path("/proc/self/mountinfo").read_text())
    mounted = [hierarchy for hierarchy in every if hierarchy.mount_point.startswith("/sys/fs/cgroup")]
    foreign = [hierarchy for hierarchy in every if hierarchy not in mounted]
    script = _script(mounted, foreign)
    name = f"tare-test-engines-{os.getpid()}"
    with _control_groups(name, mounted) as groups, _first_process(groups, script) as pid:
        for group in groups:
            _settle(group)
        yield Sandbox(name, pid, groups)


@contextmanager
def _control_groups(name: str, mounted: Sequence[Hierarchy]) -> Iterator[tuple[Path, ...]]:
    groups = tuple(Path(hierarchy.mount_point) / name for hierarchy in mounted)
    try:
        for group in groups:
            if (group.parent / "cgroup.subtree_control").exists():
                _delegate(group.parent)
            group.mkdir()
            for file in ("cpuset.cpus", "cpuset.mems"):
                # A new group of version 1 may use no processor and no memory.
                if (group / "tasks").exists() and (group / file).exists():
                    (group / file).write_text((group.parent / file).read_text())
        yield groups
    finally:
        for group in groups:
            _remove(group)


@contextmanager
def _first_process(groups: Sequence[Path], script: str) -> Iterator[int]:
    """The pid, in our namespace, of the first process of the sandbox's."""
    join = "".join(f"echo 0 > {group}/cgroup.procs; " for group in groups)
    # It ends with us, and all that is in its pid namespace with it.
    unshare = ["setpriv", "--pdeathsig", "KILL", "unshare", *_NAMESPACES, "--fork", "--kill-child"]
    command = ["sh", "-ec", f'{join}exec "$@"', "sh", *unshare, "sh", "-ec", script]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the sandbox could not be made"
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            yield int(children)
        finally:
            process.send_signal(signal.SIGKILL)


def _settle(group: Path) -> None:
    """On version 2, processes are in a leaf, so that the group may hand controllers on."""
    if (group / "cgroup.subtree_control").exists():
        (group / "session").mkdir()
        # More than once: what is listed may have forked before it was moved.
        while pids := (group / "cgroup.procs").read_text().split():
            (group / "session/cgroup.procs").write_text(pids[0])
        _delegate(group)


def _delegate(group: Path) -> None:
    for controller in _V2_CONTROLLERS.intersection((group / "cgroup.controllers").read_text().split()):
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _remove(group: Path, timeout_s: float = 20) -> None:
    """The group and those below it. The kernel frees them a while after their last process ended."""
    deadline = time.monotonic() + timeout_s
    while group.exists():
        for directory in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            _try_rmdir(directory)
        _try_rmdir(group)
        assert time.monotonic() < deadline, f"{group} is still in use"
        time.sleep(0.05)


def _try_rmdir(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        return
