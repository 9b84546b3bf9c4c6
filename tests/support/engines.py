"""The distribution's container engines, each with configuration, storage and daemons of its own in a sandbox."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.builder import build_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from tests.support.bundle import runtime_path
from tests.support.containers import base_layer
from tests.support.engine import IMAGE, Engine, Host, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.sandbox import Sandbox

RUNTIME = "tested"
PROJECT = Path(__file__).parents[2]
_CONTAINERD = "/run/tare-test/containerd.sock"
_DOCKER = "unix:///run/tare-test/docker.sock"
_CONFIGURATIONS = {"CONF": "containers", "STORAGE_CONF": "storage"}


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
    options = ("--config", str(config), "--log-level", "warn")
    with host.daemon("containerd", *options, ready=(*ctr, "version")):
        yield ctr


@contextmanager
def docker(host: Host, driver: str, runtime: str = "") -> Iterator[Engine]:
    """A dockerd on that containerd; with the runtime under test, unless it is told another."""
    (host.directory / "daemon.json").write_text("{}")
    options = {
        "--containerd": _CONTAINERD,
        "--data-root": str(host.directory / "docker"),
        "--exec-root": "/run/tare-test/docker",
        "--pidfile": "/run/tare-test/docker.pid",
        "--host": _DOCKER,
        "--config-file": str(host.directory / "daemon.json"),
        "--log-level": "warn",
        "--storage-driver": {"overlay": "overlay2"}.get(driver, driver),
        "--add-runtime": f"{RUNTIME}={runtime or runtime_path()}",
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


@contextmanager
def tare(host: Host) -> Iterator[Engine]:
    """`tare`, with this interpreter, on a root directory of its own; its supervisor is the sandbox's."""
    command = (sys.executable, "-IS", str(PROJECT / "runtime/tare/tare"), "--root", str(host.directory / "tare"))
    try:
        yield Engine("tare", host, command)
    finally:
        host.call(*command, "system", "reset", "--force", code=None)


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
