"""The distribution's container engines in a sandbox, driving the runtime under test.

docker has a containerd and a dockerd of its own, podman and buildah storage of their own. A command that ends as nobody
expected is shown with what the engine, its daemons and the runtime said.
"""

from __future__ import annotations

import json
import resource
import shlex
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.image.builder import build_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from tests.support.bundle import runtime_path, wait_until
from tests.support.containers import base_layer
from tests.support.sandbox import send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.support.sandbox import Sandbox

IMAGE = "localhost/tare-test:1"
RUNTIME = "tested"
# Debian's, whatever else is first on the caller's PATH.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_CONTAINERD = "/run/tare-test/containerd.sock"
_DOCKER = "unix:///run/tare-test/docker.sock"
_CONFIGURATIONS = {"CONF": "containers", "STORAGE_CONF": "storage"}
_serial = count()


def program(name: str) -> str:
    """The distribution's program of this name."""
    path = shutil.which(name, path=_PATH)
    assert path is not None, f"{name} is not installed: ./run pytest does it"
    return path


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command of an engine ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Its output without the last line's end."""
        return self.stdout.strip()


@dataclass(slots=True)
class Host:
    """The sandbox, the engines' directory, and what of them can be read when something failed."""

    sandbox: Sandbox
    directory: Path
    logs: list[Path] = field(default_factory=list)

    def call(self, *argv: str, code: int | None = 0, timeout_s: float = 60, **options: Any) -> Outcome:
        """Run a command; it must end with ``code``, if any is given."""
        sizes = {path: path.stat().st_size for path in self.logs}
        done = self.sandbox.run(*argv, timeout_s=timeout_s, **options)
        if code is not None and done.returncode != code:
            raise AssertionError(self._explain(argv, code, done, sizes))
        return Outcome(done.returncode, done.stdout, done.stderr)

    def _explain(
        self, argv: tuple[str, ...], code: int, done: subprocess.CompletedProcess[str], sizes: dict[Path, int]
    ) -> str:
        """All that is known of a failure: the command's words, the daemons' since then, and the runtime's own."""
        parts = [f"{shlex.join(argv)}: exit code {done.returncode}, not {code}", done.stdout, done.stderr]
        for path, size in sizes.items():
            parts += [f"--- {path.name}", *path.read_bytes()[size:].decode(errors="replace").splitlines()[-20:]]
        for name in ("log.json", "oci-log"):
            for path in (self.sandbox.root / "run").rglob(name):
                parts += [f"--- {path.parent.name}/{name}", path.read_text()[-4000:]]
        return "\n".join(part for part in parts if part)

    @contextmanager
    def daemon(self, name: str, *options: str, ready: tuple[str, ...]) -> Iterator[None]:
        """A daemon of the distribution; it has ended afterwards."""
        log = self.directory / f"{name}.log"
        with log.open("w") as output:
            process = self.sandbox.popen(program(name), *options, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: process.poll() is not None or self.sandbox.run(*ready).returncode == 0, timeout_s=30)
            assert process.poll() is None, f"{name} did not start: {log.read_text()[-4000:]}"
            self.logs.append(log)
            yield
        finally:
            send(process, signal.SIGTERM)
            process.wait(timeout=30)

    def read(self, path: str) -> str:
        """A file of the sandbox."""
        return (self.sandbox.root / path.lstrip("/")).read_text()

    def group(self, pid: int, v1: str, v2: str) -> str:
        """A value of a process's control group: ``memory.limit_in_bytes`` on version 1, ``memory.max`` on version 2."""
        groups: dict[str, str] = {}
        # Read by us, the paths are those of our own hierarchies.
        for line in self.read(f"/proc/{pid}/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            groups |= dict.fromkeys(controllers.split(","), path)
        controller = v1.split(".", maxsplit=1)[0]
        if controller in groups:
            return (Path("/sys/fs/cgroup") / controller / groups[controller].lstrip("/") / v1).read_text().strip()
        return (Path("/sys/fs/cgroup") / groups[""].lstrip("/") / v2).read_text().strip()


@dataclass(slots=True)
class Engine:
    """docker or podman: a command line that both understand."""

    name: str
    host: Host
    prefix: tuple[str, ...]

    def __call__(self, *argv: str, **options: Any) -> Outcome:
        """Run one of its commands."""
        return self.host.call(*self.prefix, *argv, **options)

    @property
    def is_docker(self) -> bool:
        """Whether it is docker, for the few things that differ."""
        return self.name == "docker"

    def running(self, *argv: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """One of its commands, with its input and output in pipes; it has ended afterwards."""
        return self.host.sandbox.running(*self.prefix, *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        """``run --rm``, of the test image."""
        return self("run", "--rm", *options, IMAGE, *argv, **more)

    def shell(self, script: str, *options: str, **more: Any) -> str:
        """What a shell script in a container says."""
        return self.run("sh", "-c", script, options=options, **more).text

    def remove(self, name: str, code: int | None = 0) -> None:
        """``rm --force``, at once."""
        self("rm", "--force", *(() if self.is_docker else ("--time", "0")), name, code=code)

    @contextmanager
    def named(self) -> Iterator[str]:
        """A name that no other container has; whatever has it afterwards is removed."""
        name = f"c{next(_serial)}"
        try:
            yield name
        finally:
            self.remove(name, code=None)

    @contextmanager
    def container(self, *argv: str, options: tuple[str, ...] = (), verb: str = "run") -> Iterator[Container]:
        """A container that runs in the background (or, with ``create``, is only made); gone afterwards."""
        detached = ("--detach",) if verb == "run" else ()
        with self.named() as name:
            self(verb, *detached, "--name", name, *options, IMAGE, *(argv or ("sleep", "1000")))
            yield Container(self, name)

    def names(self) -> list[str]:
        """Of all containers, running or not."""
        return self("ps", "--all", "--format", "{{.Names}}").stdout.split()


@dataclass(slots=True)
class Container:
    """A container of an engine."""

    engine: Engine
    name: str

    def exec(self, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        """Run a further process."""
        return self.engine("exec", *options, self.name, *argv, **more)

    def shell(self, script: str, *options: str) -> str:
        """What a shell script, run as a further process, says."""
        return self.exec("sh", "-c", script, options=options).text

    def inspect(self, template: str) -> str:
        """A fact, by a template of Go."""
        return self.engine("inspect", "--format", template, self.name).text

    @property
    def pid(self) -> int:
        """Of the first process, in the sandbox."""
        return int(self.inspect("{{.State.Pid}}"))

    @property
    def status(self) -> str:
        """Such as ``running``."""
        return self.inspect("{{.State.Status}}")

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return int(self.engine("wait", self.name).text)

    def logs(self, *options: str) -> str:
        """What it has said."""
        return self.engine("logs", *options, self.name).stdout

    def wait_for_log(self, text: str) -> None:
        """Until it has said this."""
        wait_until(lambda: text in self.logs())

    def group(self, v1: str, v2: str) -> str:
        """A value of its control group."""
        return self.engine.host.group(self.pid, v1, v2)


def make_image(directory: Path) -> Path:
    """The test image, made by our builder, as an archive that every engine can load."""
    store = ImageStore(directory / "store")
    config = ImageConfig(cmd=("sh",), env=("PATH=/bin",))
    build_image(store, IMAGE, (base_layer(),), config)
    archive = directory / "image.tar"
    source = f"oci:{store.layout.root}:{IMAGE}"
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", source, f"docker-archive:{archive}:{IMAGE}"]
    subprocess.run(command, check=True)
    return archive


def storage_driver(sandbox: Sandbox, directory: Path) -> str:
    """What can be used in this directory: an overlay on an overlay, for one, cannot be mounted."""
    directories = [directory / name for name in ("lower", "upper", "work", "merged")]
    for path in directories:
        path.mkdir(parents=True)
    lower, upper, work, merged = map(str, directories)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = sandbox.run("mount", "-t", "overlay", "-o", options, "overlay", merged)
    if done.returncode == 0:
        sandbox.output("umount", merged)
        return "overlay"
    return "vfs"


@contextmanager
def containerd(host: Host) -> Iterator[tuple[str, ...]]:
    """A containerd, and the command line of ``ctr`` for it."""
    plugins = [f"io.containerd.{name}.v1" for name in ("grpc.v1.cri", "snapshotter.v1.btrfs", "snapshotter.v1.zfs")]
    config = host.directory / "containerd.toml"
    config.write_text(
        f"version = 2\nroot = '{host.directory}/containerd'\nstate = '/run/tare-test/containerd'\n"
        f"disabled_plugins = {json.dumps([name.removesuffix('.v1') for name in plugins])}\n"
        f"[grpc]\naddress = '{_CONTAINERD}'\n"
    )
    ctr = (program("ctr"), "--address", _CONTAINERD)
    with host.daemon("containerd", "--config", str(config), ready=(*ctr, "version")):
        yield ctr


@contextmanager
def docker(host: Host, driver: str) -> Iterator[Engine]:
    """A dockerd on that containerd."""
    (host.directory / "daemon.json").write_text("{}")
    options = {
        "--containerd": _CONTAINERD,
        "--data-root": str(host.directory / "docker"),
        "--exec-root": "/run/tare-test/docker",
        "--pidfile": "/run/tare-test/docker.pid",
        "--host": _DOCKER,
        "--config-file": str(host.directory / "daemon.json"),
        "--storage-driver": {"overlay": "overlay2"}.get(driver, driver),
        "--add-runtime": f"{RUNTIME}={runtime_path()}",
        "--default-runtime": RUNTIME,
    }
    client = (program("docker"), "--host", _DOCKER)
    words = [word for option in options.items() for word in option]
    with host.daemon("dockerd", *words, ready=(*client, "version")):
        yield Engine("docker", host, client)


def containers_environment(host: Host, driver: str) -> tuple[str, ...]:
    """What runs podman or buildah on configuration and storage of their own, which they share as on any host."""
    (host.directory / "storage.conf").write_text(
        f"[storage]\ndriver = '{driver}'\ngraphroot = '{host.directory}/podman'\nrunroot = '/run/tare-test/podman'\n"
    )
    (host.directory / "containers.conf").write_text(_containers_conf())
    files = (f"CONTAINERS_{name}={host.directory}/{file}.conf" for name, file in _CONFIGURATIONS.items())
    # There is no systemd whose timers would check a container's health.
    return ("env", *files, "DISABLE_HC_SYSTEMD=true")


def podman(host: Host, driver: str) -> Engine:
    """podman."""
    return Engine("podman", host, (*containers_environment(host, driver), program("podman")))


def _containers_conf() -> str:
    """podman asks for more files and processes than root may have who lacks CAP_SYS_RESOURCE: ask for what there is."""
    pids = int(Path("/proc/sys/kernel/pid_max").read_text())
    limits = {"nofile": (resource.RLIMIT_NOFILE, 1 << 20), "nproc": (resource.RLIMIT_NPROC, pids)}
    hard = {name: min(_hard_limit(kind), most) for name, (kind, most) in limits.items()}
    return f"""
[containers]
default_ulimits = {json.dumps([f"{name}={limit}:{limit}" for name, limit in hard.items()])}
init_path = "{program("tini-static")}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
pull_policy = "never"
runtime = "{RUNTIME}"
runtime_supports_json = ["{RUNTIME}"]
[engine.runtimes]
{RUNTIME} = ["{runtime_path()}"]
[network]
network_backend = "netavark"
network_config_dir = "/run/tare-test/networks"
"""


def _hard_limit(kind: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def make_host(sandbox: Sandbox, directory: Path) -> Host:
    """The engines' ground in the sandbox."""
    sandbox.output("mkdir", "-p", "/run/tare-test")
    return Host(sandbox, directory)
