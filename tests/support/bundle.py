"""OCI bundles of busybox, and an OCI runtime's command line to run them with.

``OCI_RUNTIME`` in the environment names the runtime under test, such as ``runc``; without it ours is. The same tests
run unchanged with either, which proves the tests.
"""

from __future__ import annotations

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
from tests.support import leftovers
from tests.support.containers import BUSYBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OURS = ROOT / "runtime/cli/tare-runtime"
MARK = f"tare-test-{os.getpid()}-"
"""How the name of everything begins that is made here and visible on the host."""

_PATIENCE_S = 30.0
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
    others: frozenset[int] = frozenset()
    under: tuple[str, ...] = ()

    @property
    def rootfs(self) -> Path:
        """The container's root on the host."""
        return self.directory / "rootfs"

    @property
    def process(self) -> Json:
        """``process`` of the configuration."""
        process: Json = self.config["process"]
        return process

    @property
    def linux(self) -> Json:
        """``linux`` of the configuration."""
        linux: Json = self.config["linux"]
        return linux

    @property
    def log(self) -> Path:
        """Where `create` has the runtime write its log."""
        return self.directory / "log.json"

    @property
    def _errors(self) -> Path:
        return self.directory / "stderr"

    def write(self) -> None:
        """Put the configuration where the runtime reads it."""
        (self.directory / "config.json").write_text(json.dumps(self.config))

    def new_id(self) -> str:
        """An id that no other test has; what is left of it is removed with the bundle."""
        self.ids.append(f"{MARK}{next(_serial)}")
        return self.ids[-1]

    def namespace(self, kind: str, path: str | None = None) -> None:
        """Have a namespace of this kind in the configuration: a new one, or the one at ``path``."""
        self.without_namespace(kind)
        self.linux["namespaces"].append({"type": kind} | ({} if path is None else {"path": path}))

    def without_namespace(self, kind: str) -> None:
        """Leave the container in the runtime's."""
        self.linux["namespaces"] = [entry for entry in self.linux["namespaces"] if entry["type"] != kind]

    def mount(self, destination: str, *options: str, kind: str = "tmpfs", source: str = "tmpfs") -> None:
        """One more mount, after the others."""
        entry = {"destination": destination, "type": kind, "source": source, "options": list(options)}
        self.config["mounts"].append(entry)

    def command(self, *argv: str) -> list[str]:
        """The runtime's command line with this state root, ``under`` another command where there is one."""
        return [*self.under, runtime_path(), "--root", str(self.state_root), *argv]

    def call(self, *argv: str, timeout_s: float = 30, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command line; stdin is empty unless given."""
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        if options.keys().isdisjoint(("stdout", "stderr")):
            options["capture_output"] = True
        return subprocess.run(self.command(*argv), check=False, timeout=timeout_s, text=True, **options)

    def ask(self, *argv: str, **options: Any) -> str:
        """What the command line prints, which must succeed."""
        done = self.call(*argv, **options)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode} {done.stderr}"
        return done.stdout or ""

    def run(self, *args: str, options: tuple[str, ...] = (), **streams: Any) -> subprocess.CompletedProcess[str]:
        """Run a container of this configuration to its end, with ``args`` as its process."""
        if args:
            self.process["args"] = list(args)
        self.write()
        return self.call("run", "--bundle", str(self.directory), *options, self.new_id(), **streams)

    def shell(self, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`run` of a shell script."""
        return self.run("sh", "-c", script, **options)

    def says(self, script: str, **options: Any) -> str:
        """What a shell script prints, which must succeed."""
        done = self.shell(script, **options)
        assert done.returncode == 0, f"{script}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout.strip()

    def try_create(self, *args: str, options: tuple[str, ...] = (), **streams: Any) -> tuple[str, int]:
        """Create a container, or not: its id, and the runtime's exit status. What it logs is in `log`."""
        if args:
            self.process["args"] = list(args)
        self.write()
        name = self.new_id()
        self.log.unlink(missing_ok=True)
        logged = ("--log", str(self.log), "--log-format", "json")
        # No pipes of ours: the container keeps them open, and reading them would wait for its end.
        with self._errors.open("w") as errors:
            given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": errors}
            done = self.call(*logged, "create", "--bundle", str(self.directory), *options, name, **(given | streams))
        return name, done.returncode

    def create(self, *args: str, options: tuple[str, ...] = (), **streams: Any) -> str:
        """A created container, not yet started; its stdout is the null device unless given."""
        name, code = self.try_create(*args, options=options, **streams)
        assert code == 0, self.logged() or self._errors.read_text()
        return name

    def started(self, *args: str, options: tuple[str, ...] = (), **streams: Any) -> str:
        """A container whose process runs: a long sleep unless it is given."""
        name = self.create(*(args or ("sleep", "1000")), options=options, **streams)
        self.ask("start", name)
        return name

    def execute(self, name: str, script: str, *options: str) -> str:
        """What a shell script prints that is executed in a container."""
        return self.ask("exec", *options, name, "sh", "-c", script).strip()

    def logged(self) -> str:
        """What the runtime wrote to the log of the last `create`."""
        return self.log.read_text() if self.log.exists() else ""

    def complaints(self) -> str:
        """What the last `create` wrote to its log and to stderr."""
        return self.logged() + self._errors.read_text()

    def state(self, name: str) -> Json:
        """What ``state`` prints."""
        state: Json = json.loads(self.ask("state", name))
        return state

    def status(self, name: str) -> str:
        """The status of a container; ``gone`` when there is none."""
        done = self.call("state", name)
        return str(json.loads(done.stdout)["status"]) if done.returncode == 0 else "gone"

    def pid(self, name: str) -> int:
        """The container's first process, as the host sees it."""
        return int(self.state(name)["pid"])

    def wait_for(self, name: str, status: str, timeout_s: float = 20) -> Json:
        """The state once it has this status."""
        wait_until(lambda: self.state(name)["status"] == status, timeout_s)
        return self.state(name)

    def remove(self) -> None:
        """Delete every container that was made, the last one first: it may be in the namespaces of an earlier one."""
        for name in reversed(self.ids):
            command = self.command("delete", "--force", name)
            quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            with subprocess.Popen(command, **quiet) as deleting:
                # A dead process that nobody has waited for keeps the first of its pid namespace from ending.
                deadline = time.monotonic() + _PATIENCE_S
                while deleting.poll() is None and time.monotonic() < deadline:
                    leftovers.reap(self.others | {deleting.pid})
                    time.sleep(0.005)
                deleting.kill()


@contextmanager
def bundle(directory: Path) -> Iterator[Bundle]:
    """A bundle that can be run; its containers are gone afterwards, and it is an error if the runtime left any."""
    made = Bundle(directory / "bundle", directory / "state")
    make_rootfs(made.rootfs)
    with leftovers.adopted_orphans() as before:
        made.others = before
        try:
            yield made
        finally:
            try:
                made.remove()
            finally:
                left = leftovers.take_away(MARK, directory, before)
        assert left == [], f"left behind: {left}"


def wait_until(ask: Callable[[], Any], timeout_s: float = 20) -> Any:
    """What ``ask`` says once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer
