"""OCI bundles of busybox, and an OCI runtime's command line to run them with.

``OCI_RUNTIME`` in the environment names the runtime under test, such as ``runc``; without it ours is. The same tests
run unchanged with either, which proves the tests.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import ROOT
from tests.support.containers import BUSYBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OURS = ROOT / "runtime/cli/tare-runtime"
_serial = count()
_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]

Json = dict[str, Any]


def runtime_path() -> str:
    """The runtime under test, as an absolute path."""
    name = os.environ.get("OCI_RUNTIME", str(OURS))
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path is not None, f"OCI_RUNTIME={name}: no such command"
    return path


def is_ours() -> bool:
    """Whether the runtime under test is this project's."""
    return Path(runtime_path()).resolve() == OURS.resolve()


def default_config() -> Json:
    """What ``runc spec`` writes, in essence, without a terminal."""
    kinds = ("pid", "network", "ipc", "uts", "mount")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "bundle",
        "mounts": _mounts(),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in kinds],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def _mounts() -> list[Json]:
    quiet = ["nosuid", "noexec", "nodev"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*quiet, "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": quiet},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, "ro"]},
    ]  # fmt: skip


def make_rootfs(directory: Path) -> Path:
    """A small root: busybox with every applet."""
    for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(BUSYBOX, directory / "bin/busybox")
    for applet in subprocess.run((BUSYBOX, "--list"), capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (directory / "bin" / applet).symlink_to("busybox")
    (directory / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    (directory / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    return directory


@dataclass(slots=True)
class Bundle:
    """One bundle on disk and the containers made of it; state is kept apart in a root of its own."""

    directory: Path
    state_root: Path
    config: Json = field(default_factory=default_config)
    ids: list[str] = field(default_factory=list)

    @property
    def rootfs(self) -> Path:
        """The container's root on the host."""
        return self.directory / "rootfs"

    def write(self) -> None:
        """Put the configuration where the runtime reads it."""
        (self.directory / "config.json").write_text(json.dumps(self.config))

    def new_id(self) -> str:
        """An id that no other test has; what is left of it is removed with the bundle."""
        self.ids.append(f"tare-test-{os.getpid()}-{next(_serial)}")
        return self.ids[-1]

    def call(self, *argv: str, timeout_s: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        """The runtime's command line with this state root; stdin is empty unless given."""
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        command = [runtime_path(), "--root", str(self.state_root), *argv]
        return subprocess.run(command, check=False, timeout=timeout_s, text=True, capture_output=True, **options)

    def run(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a container of this configuration to its end, with ``args`` as its process."""
        if args:
            self.config["process"]["args"] = list(args)
        self.write()
        return self.call("run", "--bundle", str(self.directory), self.new_id(), **options)

    def shell(self, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`run` of a shell script."""
        return self.run("sh", "-c", script, **options)

    def create(self, *args: str, options: tuple[str, ...] = (), **streams: Any) -> str:
        """A created container, not yet started; its stdout and stderr are the null device unless given."""
        if args:
            self.config["process"]["args"] = list(args)
        self.write()
        name = self.new_id()
        # Not pipes of ours: the container keeps them open, and reading them would wait for its end.
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams
        log = self.directory / "log.json"
        command = [runtime_path(), "--root", str(self.state_root), "--log", str(log), "--log-format", "json"]
        command += ["create", "--bundle", str(self.directory), *options, name]
        done = subprocess.run(command, check=False, timeout=60, **streams)
        assert done.returncode == 0, log.read_text()
        return name

    def state(self, name: str) -> Json:
        """What ``state`` prints."""
        done = self.call("state", name)
        assert done.returncode == 0, done.stderr
        state: Json = json.loads(done.stdout)
        return state

    def wait_for(self, name: str, status: str, timeout_s: float = 20) -> Json:
        """The state once it has this status."""
        wait_until(lambda: self.state(name)["status"] == status, timeout_s)
        return self.state(name)

    def remove(self) -> None:
        """Delete every container that was made."""
        for name in self.ids:
            self.call("delete", "--force", name)


@contextmanager
def bundle(directory: Path) -> Iterator[Bundle]:
    """A bundle that can be run; its containers are gone afterwards."""
    made = Bundle(directory / "bundle", directory / "state", copy.deepcopy(default_config()))
    made_rootfs = directory / "bundle/rootfs"
    make_rootfs(made_rootfs)
    try:
        yield made
    finally:
        made.remove()


def wait_until(ask: Callable[[], Any], timeout_s: float = 20) -> Any:
    """What ``ask`` says once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer
