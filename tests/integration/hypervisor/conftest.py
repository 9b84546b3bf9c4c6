"""A data root with a kernel, a bridge, an image of two layers, and domains that are removed whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypervisor.connection import Connection
from hypervisor.guest.build import GuestRoot, build_guest
from hypervisor.guest.kernel import install_kernel
from tests.support.machines import BRIDGE, Machines, address, image_layers, mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypervisor.guest.build import Guest
    from hypervisor.guest.kernel import Kernel

INSTALLED = Path("/var/lib/tare")
GUESTS = range(2, 10)


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    """Searchable for QEMU, which pytest's own directories are not. Takes the host's kernel, or fetches one."""
    root = Path(tempfile.mkdtemp(prefix="tare-test-data-"))
    root.chmod(0o711)
    (root / "guest").mkdir()
    if (INSTALLED / "guest/kernel").is_dir():
        (root / "guest/kernel").symlink_to(INSTALLED / "guest/kernel")
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def kernel(data_root: Path) -> Kernel:
    return install_kernel(data_root)


@pytest.fixture
def run_directory() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="tare-test-run-"))
    root.chmod(0o711)
    yield root / "run"
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return image_layers(tmp_path_factory.mktemp("layers"))


@pytest.fixture(scope="session")
def guest(data_root: Path, kernel: Kernel, layers: tuple[Path, ...]) -> Guest:
    argv = ("busybox", "httpd", "-f", "-v", "-p", "8080", "-h", "/srv/www")
    env = ("GREETING=it's a test", "PATH=/bin")
    root = GuestRoot(f"sha256:{'a' * 64}", layers, argv, env, "web:65534", "/srv/www")
    return build_guest(data_root, kernel, root)


@pytest.fixture(scope="session")
def bridge() -> Iterator[str]:
    """With a fixed address and permanent neighbours: a bridge that learns both costs the first answer a second."""

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("link", "add", BRIDGE, "address", mac(1), "type", "bridge", "forward_delay", "0", "stp_state", "0")
    try:
        Path(f"/proc/sys/net/ipv6/conf/{BRIDGE}/disable_ipv6").write_text("1")
        ip("address", "add", f"{address(1)}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number in GUESTS:
            ip("neigh", "replace", address(number), "lladdr", mac(number), "dev", BRIDGE, "nud", "permanent")
        yield BRIDGE
    finally:
        ip("link", "delete", BRIDGE)


@pytest.fixture
def connection(run_directory: Path, data_root: Path) -> Iterator[Connection]:
    with Connection(run_directory, data_root, "embedded") as connection:
        yield connection


@pytest.fixture
def machines(connection: Connection, run_directory: Path, guest: Guest, bridge: str) -> Iterator[Machines]:
    machines = Machines(connection, run_directory, guest, bridge)
    yield machines
    machines.remove_all()
