"""Containers where control groups are version 2 only: in a guest, whose kernel and mounts are ours to choose."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runtime
from hypervisor.guest.build import GuestRoot, build_guest
from tests.support.machines import Machines, until_off

if TYPE_CHECKING:
    from hypervisor.connection import Connection
    from hypervisor.guest.build import Guest
    from hypervisor.guest.kernel import Kernel

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "support/guest_containers.py"
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "config-*", "*-packages", "pydoc_data"
)
LIBSECCOMP = "libseccomp.so.2"


def copy_into(layer: Path, file: Path) -> None:
    target = layer / str(file).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


def libraries(*programs: Path) -> set[Path]:
    """What the dynamic loader finds for them."""
    listing = subprocess.run(("ldd", *programs), capture_output=True, text=True, check=True).stdout
    words = (word for line in listing.splitlines() for word in line.split())
    return {Path(word) for word in words if word.startswith("/") and not word.endswith(":")}


def python_layer(layer: Path) -> Path:
    """This Python, its library, libseccomp, our runtime, and an image of busybox for the containers."""
    interpreter = Path(sys.executable).resolve()
    modules = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(modules, layer / str(modules).lstrip("/"), ignore=LEFT_OUT, symlinks=True)
    cache = subprocess.run(("ldconfig", "-p"), capture_output=True, text=True, check=True).stdout
    seccomp = Path(next(line.split(" => ")[1] for line in cache.splitlines() if line.strip().startswith(LIBSECCOMP)))
    extensions = sorted((modules / "lib-dynload").glob("*.so"))
    for file in {interpreter, seccomp, *libraries(interpreter, seccomp, *extensions)}:
        copy_into(layer, file)
    shutil.copytree(Path(runtime.__file__).parent, layer / "tare/runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(SCRIPT, layer / "tare/guest_containers.py")
    image = layer / "image/bin"
    image.mkdir(parents=True)
    shutil.copy2("/bin/busybox", image)
    for applet in ("sh", "sleep", "cat", "dd", "true"):
        (image / applet).symlink_to("busybox")
    for directory in ("run", "sys", "proc", "dev", "tmp"):
        (layer / directory).mkdir()
    return layer


@pytest.fixture
def python_guest(data_root: Path, kernel: Kernel, tmp_path: Path) -> Guest:
    code = "import sys; sys.path.insert(0, '/tare'); import guest_containers"
    argv = (str(Path(sys.executable).resolve()), "-I", "-c", code)
    return build_guest(data_root, kernel, GuestRoot(f"sha256:{'c' * 64}", (python_layer(tmp_path / "layer"),), argv))


def test_containers_on_version_2(connection: Connection, run_directory: Path, python_guest: Guest, bridge: str) -> None:
    machines = Machines(connection, run_directory, python_guest, bridge)
    try:
        domain = machines.domain(9, memory_bytes=512 << 20)
        domain.start()
        until_off(domain, within_s=240)
        console = domain.console().decode(errors="replace")
    finally:
        machines.remove_all()
    line = next((line for line in console.splitlines() if line.startswith("FOUND ")), None)
    assert line is not None, console[-4000:]
    assert json.loads(line.removeprefix("FOUND ")) == {
        "version": 2,
        "limits": [str(16 << 20), "50000 100000", "10"],
        "processes are its own": True,
        "charged": True,
        "seen from outside": "0::/tare/run/limited",
        "seen from inside": "0::/",
        "status of another": 0,
        "another is in the group": True,
        "ways out": [],
        "another went along": 137,
        "removed": True,
        "too much memory": 137,
        "inside": [0, "0::/\n"],
        "bounded": True,
        "left": [],
    }
